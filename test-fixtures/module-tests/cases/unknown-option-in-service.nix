{ migrations.example.statedirectories = [ "/var/lib/example" ]; }
