{ migrations.example.requiredBy = [ "example@%i.service" ]; }
