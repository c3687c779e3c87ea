# Forward again: both branches of the inventory are merged, so that a step comes out of order; a script that was wrong
# is corrected.
{
  release = "25.11";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
}
