{ config, lib, ... }:

{
  # 10.11: library.db becomes jellyfin.db through Entity Framework; the old file is read once and never again.
  migrations.jellyfin = lib.mkIf config.services.jellyfin.enable {
    steps."2025-10-19" = {
      up = {
        warn = ''
          The library database is converted and its playback history rewritten.
          A Jellyfin before 10.11 cannot read it.
        '';
        backup = ''
          cp --archive /var/lib/jellyfin/data/library.db "$BACKUP/"
        '';
        script = ''
          "$NEW_PACKAGE/bin/jellyfin" --datadir /var/lib/jellyfin --migrate-only
        '';
        restore = ''
          rm -f /var/lib/jellyfin/data/jellyfin.db
          cp --archive "$BACKUP/library.db" /var/lib/jellyfin/data/
        '';
        verify = ''
          test -s /var/lib/jellyfin/data/jellyfin.db
        '';
      };
    };
  };
}
