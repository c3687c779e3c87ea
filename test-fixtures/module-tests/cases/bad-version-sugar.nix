{ systemd.services.example.migrations = [ { version = "2023-02-30"; } ]; }
