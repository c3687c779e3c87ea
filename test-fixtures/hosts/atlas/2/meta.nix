# The same programs; the histories are adopted.
{
  release = "24.05";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
}
