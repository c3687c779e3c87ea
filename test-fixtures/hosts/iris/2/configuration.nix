{ pkgs, ... }:

{
  networking.hostName = "iris";

  services.postgresql.enable = true;
  services.postgresql.package = pkgs.postgresql_17;
  services.mysql.enable = true;
  services.mysql.package = pkgs.mariadb_114;
  services.grafana.enable = true;
  services.influxdb2.enable = true;
  services.redis.servers.cache.enable = true;
}
