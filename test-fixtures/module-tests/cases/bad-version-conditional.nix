{ lib, ... }: { migrations.example = [ (lib.mkIf false { version = "2023-02-30"; }) ]; }
