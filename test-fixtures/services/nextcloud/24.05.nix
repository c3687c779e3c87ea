# Nextcloud's majors. `occ upgrade` takes one major at a time and there is no downgrade: what it has changed in the
# database only a restore takes back.
{ config, lib, ... }:

let
  cfg = config.services.nextcloud;
  inherit (lib) mkIf mkMerge versionAtLeast;

  upgrade = ''
    "$NEW_PACKAGE/bin/nextcloud-occ" maintenance:mode --on
    "$NEW_PACKAGE/bin/nextcloud-occ" upgrade --no-interaction
    "$NEW_PACKAGE/bin/nextcloud-occ" db:add-missing-indices
    "$NEW_PACKAGE/bin/nextcloud-occ" maintenance:mode --off
  '';

  down.warn = ''
    Nextcloud has no downgrade: restore the database and the state directory from a backup of that major.
  '';
in
{
  migrations = mkIf cfg.enable {
    nextcloud = mkMerge [
      {
        requiredBy = [
          "nextcloud-setup.service"
          "phpfpm-nextcloud.service"
          "nextcloud-cron.service"
        ];
        requires = [ "postgresql.service" ];
        package = cfg.package;
        stateDirectories = [ "/var/lib/nextcloud" ];
        environment.NEXTCLOUD_CONFIG_DIR = "${cfg.home}/config";
        serviceConfig = {
          User = "nextcloud";
          LoadCredential = [ "dbpass:/run/keys/nextcloud-dbpass" ];
        };
        detect = ''
          # `version` in config.php is that of the code which last ran `occ upgrade`.
          case $(sed -n "s/.*'version' => '\([0-9]*\)\..*/\1/p" /var/lib/nextcloud/config/config.php) in
            28) echo 2023-12-12 ;;
            29) echo 2024-04-24 ;;
            30) echo 2024-09-14 ;;
            31) echo 2025-02-25 ;;
          esac
        '';
      }

      {
        # Nextcloud 28 removes the old files view.
        steps."2023-12-12" = {
          program = "28";
          up.script = upgrade;
          inherit down;
        };
      }

      (mkIf (versionAtLeast cfg.package.version "29") {
        steps."2024-04-24" = {
          program = "29";
          up = {
            script = upgrade;
            verify = ''
              "$NEW_PACKAGE/bin/nextcloud-occ" status --exit-code
            '';
          };
          inherit down;
        };
      })
    ];
  };
}
