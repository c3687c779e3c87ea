# Migrations inside a service, conditional, beside a service without any.
{ config, lib, ... }:
{
  systemd.services = {
    plain.serviceConfig.ExecStart = "/bin/plain";
    off = {
      serviceConfig.ExecStart = "/bin/off";
      migrations = lib.mkIf false [ { version = "2023-04-07"; } ];
    };
    on = {
      serviceConfig.ExecStart = "/bin/on";
      migrations = lib.mkIf true {
        steps."2023-04-07".up.script = "on";
      };
    };
    merged = lib.mkMerge [
      { migrations = [ { version = "2023-04-07"; } ]; }
      { migrations.steps."2023-04-08" = { }; }
    ];
  };
  shown = {
    services = lib.mapAttrs (_: service: lib.attrNames service.steps) config.system.build.migrations;
    gates = lib.attrNames config.systemd.units;
    requires = lib.mapAttrs (_: unit: unit.requires) (
      removeAttrs config.systemd.services [ "nixmig" ]
    );
  };
}
