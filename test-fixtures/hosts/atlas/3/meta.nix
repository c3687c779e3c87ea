# NixOS 24.11: PostgreSQL 15 → 16, GitLab 16.11 → 17.5.
{
  release = "24.11";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
}
