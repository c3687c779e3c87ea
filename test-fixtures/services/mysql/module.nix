{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.mysql;
in
{
  options.services.mysql = {
    enable = lib.mkEnableOption "MariaDB";
    package = lib.mkOption {
      type = lib.types.package;
      description = "The server to run.";
    };
  };

  config.systemd.services.mysql = lib.mkIf cfg.enable {
    description = "MySQL Server";
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    path = [ cfg.package ];
    script = ''
      ${cfg.package}/bin/mariadbd --datadir=/var/lib/mysql
    '';
    serviceConfig = {
      Type = "notify";
      User = "mysql";
      StateDirectory = "mysql";
    };
  };
}
