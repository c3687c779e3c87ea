{ migrations.postgresql.steps."2023-09-14".program = "16"; }
