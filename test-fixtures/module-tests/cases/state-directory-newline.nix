{ migrations.example.stateDirectories = [ "/var/lib/a\nb" ]; }
