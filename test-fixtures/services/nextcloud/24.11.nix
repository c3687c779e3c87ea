# Nextcloud 30.
{ config, lib, ... }:

let
  cfg = config.services.nextcloud;
in
{
  migrations.nextcloud = lib.mkIf (cfg.enable && lib.versionAtLeast cfg.package.version "30") {
    steps."2024-09-14" = {
      program = "30";
      up = {
        warn = ''
          Mimetype icons are computed anew and all shares are checked.
          With many files this takes hours, during which Nextcloud is down.
        '';
        script = ''
          "$NEW_PACKAGE/bin/nextcloud-occ" upgrade --no-interaction
          "$NEW_PACKAGE/bin/nextcloud-occ" maintenance:repair --include-expensive
        '';
        verify = ''
          "$NEW_PACKAGE/bin/nextcloud-occ" status --exit-code
        '';
      };
      down.warn = ''
        Nextcloud has no downgrade: restore the database and the state directory from a backup of that major.
      '';
    };
  };
}
