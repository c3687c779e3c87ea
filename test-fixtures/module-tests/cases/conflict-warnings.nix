# Warnings conflict too: they are not joined.
{ lib, ... }:
{
  migrations.example.steps."2023-04-07" = lib.mkMerge [
    { up.warn = "one"; }
    { up.warn = "another"; }
  ];
}
