{ migrations.example = [ { version = "2023-02-30"; } ]; }
