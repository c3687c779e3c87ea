# Switched off, the module adds nothing, whatever is declared.
{ config, lib, ... }:
{
  services.nixmig.enable = false;
  migrations.example = [ { version = "2023-04-07"; } ];
  systemd.services.example.serviceConfig.ExecStart = "/bin/example";
  systemd.services.sugar = {
    serviceConfig.ExecStart = "/bin/sugar";
    migrations = [ { version = "2023-02-30"; } ];
  };
  shown = {
    inherit (config) assertions warnings;
    inherit (config.system.build) migrations;
    inherit (config.systemd) units;
    services = lib.mapAttrs (_: unit: removeAttrs unit [ "migrations" ]) config.systemd.services;
  };
}
