{ migrations.example.stateDirectories = [ "/var/lib/example/" ]; }
