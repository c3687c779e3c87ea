{ migrations.example.environment.PATH = "/bin"; }
