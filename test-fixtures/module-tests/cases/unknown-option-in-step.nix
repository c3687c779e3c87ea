{ migrations.example.steps."2023-04-07".upp.script = "up"; }
