{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.grafana;
in
{
  options.services.grafana = {
    enable = lib.mkEnableOption "Grafana";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.grafana;
      description = "The Grafana to run.";
    };
  };

  config.systemd.services.grafana = lib.mkIf cfg.enable {
    description = "Grafana Service Daemon";
    wantedBy = [ "multi-user.target" ];
    after = [ "network-online.target" ];
    script = ''
      set -o errexit -o nounset
      exec ${cfg.package}/bin/grafana server -homepath /var/lib/grafana
    '';
    serviceConfig = {
      User = "grafana";
      StateDirectory = "grafana";
    };
  };
}
