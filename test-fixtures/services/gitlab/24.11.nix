# GitLab 17: runner registration tokens are gone, and the CI tables move into partitions.
{ config, lib, ... }:

let
  cfg = config.services.gitlab;
in
{
  migrations.gitlab = lib.mkIf cfg.enable [
    {
      # 17.1
      version = "2024-06-20";
      up = {
        warn = ''
          Runners that still register by a registration token can no longer do so.
          Create them anew with an authentication token first.
        '';
        script = ''
          $NEW_PACKAGE/bin/gitlab-rake db:migrate
        '';
      };
      down.script = ''
        $NEW_PACKAGE/bin/gitlab-rake db:migrate VERSION=20240418000000
      '';
    }
    {
      # 17.3
      version = "2024-08-15";
      up.script = ''
        $NEW_PACKAGE/bin/gitlab-rake db:migrate
        $NEW_PACKAGE/bin/gitlab-rake gitlab:background_migrations:finalize[all]
      '';
      down.script = ''
        $NEW_PACKAGE/bin/gitlab-rake db:migrate VERSION=20240620000000
      '';
    }
    {
      # 17.5
      version = "2024-10-17";
      up.script = ''
        $NEW_PACKAGE/bin/gitlab-rake db:migrate
      '';
      down.script = ''
        $NEW_PACKAGE/bin/gitlab-rake db:migrate VERSION=20240815000000
      '';
    }
  ];
}
