# A plain NixOS that has never heard of migrations: PostgreSQL 15.10, MariaDB 10.6, Grafana 11, InfluxDB, Redis.
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
