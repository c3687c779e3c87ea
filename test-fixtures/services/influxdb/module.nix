{
  config,
  lib,
  pkgs,
  ...
}:

{
  options.services.influxdb2.enable = lib.mkEnableOption "InfluxDB";

  config.systemd.services.influxdb2 = lib.mkIf config.services.influxdb2.enable {
    description = "InfluxDB is an open-source, distributed, time series database";
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    environment.INFLUXD_BOLT_PATH = "/var/lib/influxdb2/influxd.bolt";
    serviceConfig = {
      ExecStart = "-${pkgs.influxdb2}/bin/influxd --engine-path \${STATE_DIRECTORY}/engine";
      User = "influxdb2";
      StateDirectory = "influxdb2";
      LimitNOFILE = 65536;
    };
  };
}
