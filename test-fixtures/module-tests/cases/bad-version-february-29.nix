{ migrations.example = [ { version = "2023-02-29"; } ]; }
