# GitLab 17.8 and 17.11, the stops on the way to 18.
{ config, lib, ... }:

let
  cfg = config.services.gitlab;
  rake = task: "$NEW_PACKAGE/bin/gitlab-rake ${task}\n";

  seventeenEight = {
    version = "2025-01-16";
    up.script = rake "db:migrate" + rake "gitlab:background_migrations:finalize[all]";
    down.script = rake "db:migrate VERSION=20241017000000";
  };

  seventeenEleven = {
    version = "2025-04-17";
    up = {
      warn = ''
        The partitioned CI tables are moved; on a large instance this takes hours.
        There is no way back but a restore of the backup.
      '';
      script = rake "db:migrate" + rake "gitlab:db:validate_config";
      verify = rake "gitlab:check SANITIZE=true";
    };
    down.warn = ''
      Not undone: restore the database and ${cfg.statePath} from a backup made before GitLab 17.11.
    '';
  };
in
{
  migrations.gitlab = lib.mkIf cfg.enable {
    steps = [
      seventeenEight
    ]
    ++ lib.optionals (lib.versionAtLeast cfg.package.version "17.11") [
      seventeenEleven
    ];
  };
}
