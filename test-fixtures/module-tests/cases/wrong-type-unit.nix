{ migrations.example.requiredBy = [ "example.socket" ]; }
