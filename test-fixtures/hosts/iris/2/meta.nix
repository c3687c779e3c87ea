# The administrator asks for PostgreSQL 17.2 and MariaDB 11.4, and nothing takes the data along.
{
  release = "24.11";
  services = [
    "postgresql"
    "mysql"
    "grafana"
    "influxdb"
    "redis"
  ];
  migrations = false;
}
