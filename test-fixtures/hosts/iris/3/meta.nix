# A release on: Grafana 12, and Consul is new.
{
  release = "25.05";
  services = [
    "postgresql"
    "mysql"
    "grafana"
    "influxdb"
    "redis"
    "consul"
  ];
  migrations = false;
}
