# MariaDB's system tables; the server starts on older ones but complains, and never goes back.
{ config, lib, ... }:

let
  cfg = config.services.mysql;
  since = version: lib.mkIf (lib.versionAtLeast cfg.package.version version);
in
{
  migrations.mysql = lib.mkIf cfg.enable {
    package = cfg.package;
    stateDirectories = [ "/var/lib/mysql" ];
    serviceConfig.User = "mysql";
    steps."2021-07-06" = since "10.6" {
      program = "10.6";
      up.script = ''
        "$NEW_PACKAGE/bin/mariadb-upgrade"
      '';
    };
    steps."2024-05-29" = since "11.4" {
      program = "11.4";
      cumulative = true;
      up.warn = "The change buffer is gone: this is done offline and takes as long as it takes to read all of ibdata1.";
      up.script = ''
        "$NEW_PACKAGE/bin/mariadb-upgrade" --force
      '';
    };
  };
}
