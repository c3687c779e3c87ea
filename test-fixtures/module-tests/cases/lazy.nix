# Versions, and what a service requires, are read without the texts of scripts, digests or packages.
{ config, lib, ... }:
let
  inherit (config.system.build.migrations) example;
in
{
  migrations.example = {
    package = throw "forced: package";
    detect = throw "forced: detect";
    path = [ (throw "forced: path") ];
    environment.NAME = throw "forced: environment";
    serviceConfig.User = throw "forced: serviceConfig";
    steps."2023-04-07" = {
      up.script = throw "forced: script";
      down.warn = "Gone.";
    };
  };
  shown = {
    inherit (example) requiredBy stateDirectories;
    versions = lib.attrNames example.steps;
    inherit (example.steps."2023-04-07".down) warn;
    line = config.systemd.services.example.unitConfig;
  };
}
