{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.consul;
in
{
  options.services.consul = {
    enable = lib.mkEnableOption "Consul";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.consul;
      description = "The Consul to run.";
    };
  };

  config.systemd.services.consul = lib.mkIf cfg.enable {
    description = "Consul agent";
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    serviceConfig = {
      ExecStart = "@${cfg.package}/bin/consul consul agent -config-dir /etc/consul.d";
      ExecReload = "${cfg.package}/bin/consul reload";
      User = "consul";
      Restart = "on-failure";
    };
  };
}
