{ migrations.example = [ { version = 20230407; } ]; }
