# A history ends where the configured package does.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  steps = {
    "2021-09-30".program = "14";
    "2022-10-13".program = "15";
    "2023-09-14".program = "16";
    "2024-09-26".program = "17";
    "2024-11-14".program = "17.1";
    "2024-12-01".up.script = "whatever the program";
  };
  at = package: {
    inherit package steps;
  };
in
{
  migrations = {
    before = at (pkgs.package "postgresql" "9.6.24");
    exactly = at (pkgs.package "postgresql" "16");
    minor = at (pkgs.package "postgresql" "16.4");
    preview = at (pkgs.package "postgresql" "17beta1");
    newest = at (pkgs.package "postgresql" "17.2");
    beyond = at (pkgs.package "postgresql" "100");
    named = at {
      type = "derivation";
      name = "postgresql-and-plugins-15.10";
      outPath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-postgresql-and-plugins-15.10";
    };
  };

  shown = lib.mapAttrs (_: service: lib.attrNames service.steps) config.system.build.migrations;
}
