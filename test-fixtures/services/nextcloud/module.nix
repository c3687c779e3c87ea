{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mkEnableOption
    mkIf
    mkOption
    types
    ;

  cfg = config.services.nextcloud;
in
{
  options.services.nextcloud = {
    enable = mkEnableOption "Nextcloud";

    package = mkOption {
      type = types.package;
      description = "The Nextcloud to run; majors cannot be skipped.";
    };

    home = mkOption {
      type = types.str;
      default = "/var/lib/nextcloud";
      description = "Where configuration and data are.";
    };
  };

  config = mkIf cfg.enable {
    systemd.services = {
      nextcloud-setup = {
        description = "Set up Nextcloud";
        wantedBy = [ "multi-user.target" ];
        before = [ "phpfpm-nextcloud.service" ];
        requires = [ "postgresql.service" ];
        after = [ "postgresql.service" ];
        path = [ cfg.package ];
        script = ''
          test -e ${cfg.home}/config/config.php || nextcloud-occ maintenance:install
          nextcloud-occ config:system:set datadirectory --value ${cfg.home}/data
        '';
        serviceConfig = {
          Type = "oneshot";
          User = "nextcloud";
        };
      };

      phpfpm-nextcloud = {
        description = "PHP FastCGI Process Manager service for pool nextcloud";
        wantedBy = [ "multi-user.target" ];
        after = [ "nextcloud-setup.service" ];
        environment.NEXTCLOUD_CONFIG_DIR = "${cfg.home}/config";
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/nextcloud-occ serve --pool nextcloud";
          Type = "notify";
          Slice = "system-phpfpm.slice";
        };
      };

      nextcloud-cron = {
        description = "Nextcloud background jobs";
        after = [ "nextcloud-setup.service" ];
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/nextcloud-occ background:cron";
          Type = "oneshot";
          User = "nextcloud";
        };
      };
    };
  };
}
