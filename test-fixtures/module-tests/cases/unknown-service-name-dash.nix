{ migrations."-x" = [ ]; }
