{ migrations.example.acknowledge = [ "2023-4-7" ]; }
