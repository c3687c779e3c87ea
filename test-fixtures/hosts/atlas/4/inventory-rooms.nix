# Rooms become places, in a tree.
{
  migrations.inventory.steps."2025-02-20" = {
    up = {
      script = ''
        "$NEW_PACKAGE/bin/inventory-manage" migrate places 0001
        "$NEW_PACKAGE/bin/inventory-manage" rooms_to_places
      '';
      verify = ''
        "$NEW_PACKAGE/bin/inventory-manage" check_places
      '';
    };
    down.script = ''
      "$OLD_PACKAGE/bin/inventory-manage" places_to_rooms
      "$OLD_PACKAGE/bin/inventory-manage" migrate places zero
    '';
  };
}
