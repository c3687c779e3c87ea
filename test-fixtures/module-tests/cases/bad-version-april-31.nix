{ migrations.example.steps."2023-04-31".up.script = "up"; }
