# Services with several units, units with several services, a template's instance.
{ config, lib, ... }:
{
  migrations.database = {
    requiredBy = [
      "database.service"
      "indexer@.service"
      "database.service"
    ];
    steps."2023-04-07".up.script = "database";
  };
  migrations.search = {
    requiredBy = [ "indexer@.service" ];
    requires = [
      "database.service"
      "var-lib-search.mount"
    ];
    steps."2023-05-07".up.script = "search";
    steps."2023-05-07.1".up.script = "search again";
  };
  systemd.services.database = {
    requires = [ "network.target" ];
    unitConfig.X-Migration-Versions = [ "by-hand 2020-01-01" ];
    serviceConfig.ExecStart = "/bin/database";
  };
  systemd.services."indexer@".serviceConfig.ExecStart = "/bin/indexer %i";

  shown = {
    units = lib.mapAttrs (_: unit: {
      inherit (unit) requires after unitConfig;
    }) (removeAttrs config.systemd.services [ "nixmig" ]);
    gates = lib.mapAttrs (
      _: unit: lib.filter (lib.hasPrefix "Before=") (lib.splitString "\n" unit.text)
    ) config.systemd.units;
    inherit (config.system.build.migrations.database) requiredBy;
  };
}
