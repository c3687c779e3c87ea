# Rooms become places after all, and the duplicates stay merged.
{
  migrations.inventory.steps = {
    "2025-02-20" = {
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

    "2025-03-12".up = {
      script = ''
        "$NEW_PACKAGE/bin/inventory-manage" merge_duplicates --keep oldest
      '';
      warn = ''
        Assets entered twice become one. Which of them was meant is not remembered.
      '';
    };

    "2025-03-12.1" = {
      up.script = ''
        "$NEW_PACKAGE/bin/inventory-manage" createcachetable
      '';
      down.script = ''
        "$OLD_PACKAGE/bin/inventory-manage" dropcachetable
      '';
    };
  };
}
