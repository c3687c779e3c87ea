{ migrations = [ { version = "2023-04-07"; } ]; }
