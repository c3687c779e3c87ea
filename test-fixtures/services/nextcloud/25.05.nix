# Nextcloud 31.
{ config, lib, ... }:

let
  cfg = config.services.nextcloud;
in
{
  migrations.nextcloud = lib.mkIf (cfg.enable && lib.versionAtLeast cfg.package.version "31") {
    steps."2025-02-25" = {
      program = "31";
      up.script = ''
        "$NEW_PACKAGE/bin/nextcloud-occ" upgrade --no-interaction
        "$NEW_PACKAGE/bin/nextcloud-occ" db:convert-filecache-bigint --no-interaction
      '';
    };
  };
}
