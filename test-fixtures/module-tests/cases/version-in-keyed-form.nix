{ migrations.example.steps."2023-04-07".version = "2023-04-08"; }
