{ migrations.example.steps."2023-13-01".up.script = "up"; }
