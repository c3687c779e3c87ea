{ migrations.example.requires = "redis.service"; }
