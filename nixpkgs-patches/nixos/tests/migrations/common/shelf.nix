# One shelf, called `shelf`: see shelves.nix.
{ config, lib, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.services.shelf;
in
{
  imports = [ ./shelves.nix ];

  options.services.shelf = {
    version = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The version of the service; without one it is off.";
    };
    migrate = mkOption {
      type = types.bool;
      default = true;
      description = "Whether it declares its migrations.";
    };
  };

  config.services.shelves = lib.mkIf (cfg.version != null) {
    shelf = { inherit (cfg) migrate version; };
  };
}
