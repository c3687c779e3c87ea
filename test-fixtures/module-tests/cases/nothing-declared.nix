# Switched on with nothing declared, the module adds nothing to other services, and no gate.
{ config, ... }:
{
  systemd.services.example.serviceConfig.ExecStart = "/bin/example";
  shown = {
    inherit (config) assertions warnings;
    inherit (config.system.build) migrations;
    inherit (config.systemd) units;
    example = removeAttrs config.systemd.services.example [ "migrations" ];
  };
}
