{ migrations.example.environment."A-B" = "1"; }
