# GitLab's required stops up to 16.11: a version may only be upgraded to once the background migrations of the
# stop before it have finished. https://docs.gitlab.com/update/upgrade_paths/
{ config, lib, ... }:

let
  cfg = config.services.gitlab;
  rake = "$NEW_PACKAGE/bin/gitlab-rake";

  # Every stop runs the same tasks; what differs is why it exists.
  migrate = ''
    ${rake} gitlab:db:configure
    ${rake} db:migrate
    # Batched background migrations must have finished before the next stop.
    until ${rake} gitlab:background_migrations:finalized; do
      sleep 10
    done
  '';

  backup = ''
    ${rake} gitlab:backup:create BACKUP=migration SKIP=artifacts,registry,repositories
    mv ${cfg.statePath}/backup/migration_gitlab_backup.tar "$BACKUP/"
  '';

  restore = ''
    mv "$BACKUP/migration_gitlab_backup.tar" ${cfg.statePath}/backup/
    ${rake} gitlab:backup:restore BACKUP=migration force=yes
  '';
in
{
  migrations.gitlab = lib.mkIf cfg.enable {
    requiredBy = [
      "gitlab.service"
      "gitlab-sidekiq.service"
    ];
    requires = [
      "postgresql.service"
      "redis-gitlab.service"
    ];
    inherit (cfg) package;
    stateDirectories = [ cfg.statePath ];
    oldest = "2022-05-22";
    environment.RAILS_ENV = "production";
    serviceConfig = {
      User = "gitlab";
      TimeoutStopSec = "infinity";
    };

    steps = [
      {
        # 15.0: from here on PostgreSQL 12 is the oldest that works.
        version = "2022-05-22";
        up = {
          script = migrate;
          inherit backup restore;
        };
        down.script = restore;
      }
      {
        # 15.4: users_name_trigram index is rebuilt.
        version = "2022-09-22";
        up = {
          script = migrate;
          inherit backup restore;
        };
        down.script = restore;
      }
      {
        # 15.11: the CI database gets its own connection.
        version = "2023-04-22";
        up = {
          script = migrate + ''
            ${rake} gitlab:db:decomposition:connection_status
          '';
          inherit backup restore;
        };
        down.script = restore;
      }
      {
        # 16.3: integer columns that had run out become bigint.
        version = "2023-08-22";
        up = {
          script = migrate;
          inherit backup restore;
          verify = ''
            ${rake} gitlab:check SANITIZE=true
          '';
        };
        down.script = restore;
      }
      {
        # 16.7: needed before 16.8, which validates what 16.7 began.
        version = "2023-12-21";
        up = {
          script = migrate;
          inherit backup restore;
        };
        down.script = restore;
      }
      {
        # 16.11: the last stop before 17.
        version = "2024-04-18";
        up = {
          script = migrate;
          inherit backup restore;
        };
        down.script = restore;
      }
    ];
  };
}
