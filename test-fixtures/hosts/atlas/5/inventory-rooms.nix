# Taken out again, see generation 4; the duplicates that it had been meant to prevent are removed instead.
{
  migrations.inventory.steps = [
    {
      version = "2025-03-12";
      up.script = ''
        "$NEW_PACKAGE/bin/inventory-manage" merge_duplicates --keep oldest
      '';
      up.warn = ''
        Assets entered twice become one. Which of them was meant is not remembered.
      '';
    }
  ];
}
