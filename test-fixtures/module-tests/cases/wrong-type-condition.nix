{ lib, ... }: { migrations.example.steps."2023-04-07" = lib.mkIf "yes" { }; }
