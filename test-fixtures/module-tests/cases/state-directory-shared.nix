{ migrations.example.stateDirectories = [ "/var/lib" ]; }
