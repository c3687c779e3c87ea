# What evaluates and may not be meant.
{ config, pkgs, ... }:
{
  migrations.example = {
    requiredBy = [
      "reloaded.service"
      "kept.service"
    ];
    package = pkgs.package "example" "2.1.3";
    stateDirectories = [
      "/var/lib/example-2"
      "/srv/example_v2.1"
      "/srv/example-21"
      "/srv/example2"
      "/srv/instance-3"
    ];
    acknowledge = [
      "2023-04-07"
      "2023-04-08"
      "2024-04-07"
    ];
    steps."2023-04-07".up.warn = "Gone.";
    steps."2024-04-07" = {
      program = "3";
      up.warn = "Gone with the next one.";
    };
  };
  systemd.services.reloaded = {
    serviceConfig.ExecStart = "/bin/reloaded";
    reloadIfChanged = true;
  };
  systemd.services.kept = {
    serviceConfig.ExecStart = "/bin/kept";
    restartIfChanged = false;
    migrations = [ { version = "2023-04-07"; } ];
  };
  shown = config.warnings;
}
