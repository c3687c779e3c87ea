{ migrations.example.stateDirectories = [ "/var/lib/nixmig" ]; }
