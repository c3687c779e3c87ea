{ lib, ... }:
{
  migrations.example.steps."2023-04-07".up.warn = lib.concatStrings (lib.genList (_: "x") 65537);
}
