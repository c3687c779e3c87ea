# What the inventory's state went through so far.
{ config, lib, ... }:

let
  manage = "${config.services.inventory.package}/bin/inventory-manage";
in
{
  services.nixmig.enable = true;

  migrations.inventory = {
    requires = [ "postgresql.service" ];
    stateDirectories = [ "/var/lib/inventory" ];
    package = config.services.inventory.package;
    serviceConfig.User = "inventory";

    steps = {
      "2023-11-20" = {
        up = {
          script = ''
            ${manage} migrate assets 0012
          '';
          verify = ''
            ${manage} check --deploy
          '';
        };
        down.script = ''
          ${manage} migrate assets 0011
        '';
      };

      # Photographs move out of the database into the state directory.
      "2024-03-04" = {
        up = {
          script = ''
            ${manage} migrate assets 0015
            ${manage} export_photos --to /var/lib/inventory/photos
          '';
          backup = ''
            ${manage} dumpdata assets.photo > "$BACKUP/photos.json"
          '';
          restore = ''
            ${manage} loaddata "$BACKUP/photos.json"
            rm -rf /var/lib/inventory/photos
          '';
        };
        down.script = ''
          ${manage} import_photos --from /var/lib/inventory/photos
          ${manage} migrate assets 0014
        '';
      };
    };
  };
}
