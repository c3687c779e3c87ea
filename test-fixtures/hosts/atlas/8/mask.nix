{
  systemd.units."migrate-inventory.service".enable = false;
}
