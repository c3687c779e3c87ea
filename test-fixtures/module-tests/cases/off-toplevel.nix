# A whole system without the module and with it switched off is one derivation. Switched on it has nixmig in PATH.
{ lib, ... }:
let
  module = ../../../nixpkgs-patches/nixos/modules/system/migrations;
  toplevel =
    modules:
    (import ../../nixos {
      inherit lib;
      release = "25.11";
      modules = modules ++ [
        (
          { pkgs, ... }:
          {
            systemd.services.example.serviceConfig.ExecStart = "${pkgs.coreutils}/bin/true";
          }
        )
      ];
    }).config.system.build.toplevel.drvPath;

  on.services.nixmig.enable = true;
  migrations.migrations.example.steps."2023-04-07".up.script = "up";
  sugar.systemd.services.example.migrations = [ { version = "2023-04-07"; } ];

  same = modules: toplevel modules == toplevel [ ];
in
{
  shown = {
    off = same [ module ];
    offWithMigrations = same [
      module
      migrations
    ];
    offWithSugar = same [
      module
      sugar
    ];
    onWithoutMigrations = same [
      module
      on
    ];
    onWithMigrations = same [
      module
      on
      migrations
    ];
  };
}
