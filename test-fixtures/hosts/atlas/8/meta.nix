# Somebody has masked a gate by hand; every derivation has structured attributes.
{
  release = "26.11";
  services = [
    "postgresql"
    "inventory"
    "forgejo"
  ];
}
