{ migrations.example.stateDirectories = [ "/nix/store/state" ]; }
