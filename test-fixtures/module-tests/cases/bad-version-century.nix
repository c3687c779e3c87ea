{ migrations.example = [ { version = "1900-02-29"; } ]; }
