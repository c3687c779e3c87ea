{ migrations.example = [ { up.script = "up"; } ]; }
