{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.openldap;
in
{
  options.services.openldap = {
    enable = lib.mkEnableOption "the OpenLDAP server";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.openldap;
      description = "The OpenLDAP to run.";
    };
    databases = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = {
        main = "/var/lib/openldap/main";
      };
      description = "Directories of the databases, by name.";
    };
  };

  config.systemd.services.openldap = lib.mkIf cfg.enable {
    description = "OpenLDAP Server Daemon";
    aliases = [ "slapd.service" ];
    wantedBy = [ "multi-user.target" ];
    after = [ "network-online.target" ];
    serviceConfig = {
      ExecStart = [ "${cfg.package}/bin/slapd -d 0 -h ldapi:/// -F /var/lib/openldap/slapd.d" ];
      Type = "notify";
      User = "openldap";
      StateDirectory = "openldap";
    };
  };
}
