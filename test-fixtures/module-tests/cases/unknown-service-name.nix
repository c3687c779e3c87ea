{ migrations."my service" = [ ]; }
