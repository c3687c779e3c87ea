# GitLab 18.2, which wants PostgreSQL 16.
{ config, lib, ... }:

let
  cfg = config.services.gitlab;
in
{
  migrations = lib.mkMerge [
    (lib.mkIf cfg.enable {
      gitlab.steps."2025-07-17" = {
        up = {
          script = ''
            $NEW_PACKAGE/bin/gitlab-rake db:migrate
          '';
          verify = ''
            $NEW_PACKAGE/bin/gitlab-rake gitlab:doctor:secrets
          '';
        };
        down.script = ''
          $NEW_PACKAGE/bin/gitlab-rake db:migrate VERSION=20250417000000
        '';
      };
    })
  ];
}
