# The calendar's edges.
{ config, lib, ... }:
{
  migrations.example.steps = lib.genAttrs [
    "1999-12-31"
    "2000-02-29"
    "2023-02-28"
    "2023-04-30"
    "2023-04-30.1"
    "2023-04-30.9"
    "2024-02-29"
  ] (_: { });
  shown = lib.attrNames config.system.build.migrations.example.steps;
}
