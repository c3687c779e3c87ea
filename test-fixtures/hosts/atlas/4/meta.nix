# NixOS 25.05: PostgreSQL 17, GitLab 17.11, which is not undone, and a step of the inventory.
{
  release = "25.05";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
}
