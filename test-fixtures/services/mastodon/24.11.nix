# Mastodon 4.3: encryption keys for secrets in the database are required first.
{ config, lib, ... }:

{
  config = lib.mkIf config.services.mastodon.enable {
    systemd.services."mastodon-web".migrations = [
      {
        version = "2024-10-08";
        up = {
          script = ''
            test -e /var/lib/mastodon/secrets/active-record-encryption-primary-key ||
              "$NEW_PACKAGE/bin/rails" db:encryption:init > /var/lib/mastodon/secrets/active-record-encryption
            "$NEW_PACKAGE/bin/rails" db:migrate
          '';
        };
      }
    ];
  };
}
