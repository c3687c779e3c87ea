# Back on 24.11 after a bad week, with a hot fix of the inventory that generation 4 does not have.
{
  release = "24.11";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
}
