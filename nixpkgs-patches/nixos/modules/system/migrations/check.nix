# What asks before a switch whether the state of services may follow. Before 24.11 NixOS has no such checks, and the gates
# alone refuse.
{
  config,
  lib,
  options,
  ...
}:

let
  cfg = config.services.nixmig;
in
{
  config = lib.optionalAttrs (options.system ? preSwitchChecks) {
    system.preSwitchChecks = lib.mkIf cfg.enable {
      nixmig = ''${cfg.package}/bin/nixmig check "$@"'';
    };
  };
}
