{ migrations.example = [ "2023-04-07" ]; }
