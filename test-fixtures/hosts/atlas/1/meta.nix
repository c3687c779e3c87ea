# As it was before anybody thought of migrations: the services run, nothing is declared.
{
  release = "24.05";
  services = [
    "postgresql"
    "redis"
    "gitlab"
    "inventory"
  ];
  migrations = false;
}
