{ migrations.example = [ { version = ""; } ]; }
