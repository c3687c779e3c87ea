{ migrations.example.environment.BACKUP = "/tmp"; }
