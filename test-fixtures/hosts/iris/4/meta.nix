# Set up anew from an old installer: everything goes back, down to how NixOS 23.05 made unit files.
{
  release = "23.05";
  services = [
    "postgresql"
    "mysql"
    "grafana"
    "influxdb"
    "redis"
  ];
  migrations = false;
}
