{ migrations.example.package = "postgresql"; }
