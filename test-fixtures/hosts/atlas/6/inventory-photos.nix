# The export of photographs in generation 2 left those of deleted assets behind.
{ lib, ... }:

{
  migrations.inventory.steps."2024-03-04".up.script = lib.mkForce ''
    "$NEW_PACKAGE/bin/inventory-manage" migrate assets 0015
    "$NEW_PACKAGE/bin/inventory-manage" export_photos --to /var/lib/inventory/photos --with-deleted
  '';
}
