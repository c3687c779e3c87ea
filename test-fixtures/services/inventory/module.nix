# An application of the house, as such a module is written: an option set, one unit, state in one directory.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.inventory;
in
{
  options.services.inventory = {
    enable = lib.mkEnableOption "the inventory";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.inventory;
      description = "The inventory to run.";
    };
  };

  config.systemd.services.inventory = lib.mkIf cfg.enable {
    description = "Inventory of the house";
    wantedBy = [ "multi-user.target" ];
    requires = [ "postgresql.service" ];
    after = [ "postgresql.service" ];
    environment.DJANGO_SETTINGS_MODULE = "inventory.settings";
    serviceConfig = {
      ExecStart = "${cfg.package}/bin/inventory-manage serve --workers 4";
      User = "inventory";
      StateDirectory = "inventory";
      Restart = "on-failure";
    };
  };
}
