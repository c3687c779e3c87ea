{ migrations.example.requires = [ "database@.service" ]; }
