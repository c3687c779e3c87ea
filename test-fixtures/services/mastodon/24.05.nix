# Mastodon's migrations as RFC 0155 writes them, on the unit itself.
{ config, lib, ... }:

{
  systemd.services.mastodon-web = lib.mkIf config.services.mastodon.enable {
    migrations = [
      {
        version = "2022-11-14";
        up.script = ''
          SKIP_POST_DEPLOYMENT_MIGRATIONS=true "$NEW_PACKAGE/bin/rails" db:migrate
          "$NEW_PACKAGE/bin/rails" db:migrate
        '';
        down.script = ''
          "$OLD_PACKAGE/bin/rails" db:rollback
        '';
      }
      {
        version = "2023-09-21";
        up.warn = ''
          Mastodon 4.2 rebuilds the search index; until then searches find little.
        '';
        up.backup = ''
          # backup stateful directory
          cp -r /var/lib/mastodon $BACKUP
        '';
        up.script = ''
          "$NEW_PACKAGE/bin/rails" db:migrate
          "$NEW_PACKAGE/bin/tootctl" search deploy
        '';
        up.restore = ''
          # restore stateful directory as the script failed
          cp -r $BACKUP/mastodon /var/lib
        '';
        down.warn = ''
          The search index is left as it is; older versions ignore it.
        '';
        down.script = ''
          "$OLD_PACKAGE/bin/rails" db:rollback STEP=4
        '';
      }
    ];
  };
}
