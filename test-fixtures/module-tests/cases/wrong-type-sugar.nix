{ systemd.services.example.migrations = true; }
