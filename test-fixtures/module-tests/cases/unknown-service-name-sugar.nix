{ systemd.services."example@".migrations = [ ]; }
