{ migrations.example = [ { } ]; }
