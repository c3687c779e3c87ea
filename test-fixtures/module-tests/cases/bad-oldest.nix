{ migrations.example.oldest = "2023-02-30"; }
