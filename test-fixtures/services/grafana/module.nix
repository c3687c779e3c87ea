{
  config,
  lib,
  pkgs,
  ...
}:

{
  options.services.grafana.enable = lib.mkEnableOption "Grafana";

  config.systemd.services.grafana = lib.mkIf config.services.grafana.enable {
    description = "Grafana Service Daemon";
    wantedBy = [ "multi-user.target" ];
    after = [ "network-online.target" ];
    script = ''
      set -o errexit -o nounset
      exec ${pkgs.grafana}/bin/grafana server -homepath /var/lib/grafana
    '';
    serviceConfig = {
      User = "grafana";
      StateDirectory = "grafana";
    };
  };
}
