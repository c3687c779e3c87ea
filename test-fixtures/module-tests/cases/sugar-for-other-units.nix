{ systemd.services.example.migrations.requiredBy = [ "other.service" ]; }
