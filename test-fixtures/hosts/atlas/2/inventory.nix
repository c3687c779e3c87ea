{ config, ... }:

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
            "$NEW_PACKAGE/bin/inventory-manage" migrate assets 0012
          '';
          verify = ''
            "$NEW_PACKAGE/bin/inventory-manage" check --deploy
          '';
        };
        down.script = ''
          "$OLD_PACKAGE/bin/inventory-manage" migrate assets 0011
        '';
      };

      # Photographs move out of the database into the state directory.
      "2024-03-04" = {
        up = {
          script = ''
            "$NEW_PACKAGE/bin/inventory-manage" migrate assets 0015
            "$NEW_PACKAGE/bin/inventory-manage" export_photos --to /var/lib/inventory/photos
          '';
          backup = ''
            "$NEW_PACKAGE/bin/inventory-manage" dumpdata assets.photo > "$BACKUP/photos.json"
          '';
          restore = ''
            "$NEW_PACKAGE/bin/inventory-manage" loaddata "$BACKUP/photos.json"
            rm -rf /var/lib/inventory/photos
          '';
        };
        down.script = ''
          "$OLD_PACKAGE/bin/inventory-manage" import_photos --from /var/lib/inventory/photos
          "$OLD_PACKAGE/bin/inventory-manage" migrate assets 0014
        '';
      };
    };
  };
}
