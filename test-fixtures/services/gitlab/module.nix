{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mkEnableOption
    mkIf
    mkOption
    types
    ;

  cfg = config.services.gitlab;
in
{
  options.services.gitlab = {
    enable = mkEnableOption "GitLab";

    package = mkOption {
      type = types.package;
      default = pkgs.gitlab;
      description = "The GitLab to run.";
    };

    statePath = mkOption {
      type = types.str;
      default = "/var/gitlab/state";
      description = "Where GitLab keeps repositories, uploads and keys.";
    };
  };

  config = mkIf cfg.enable {
    services.redis.servers.gitlab.enable = true;

    systemd.targets.gitlab = {
      description = "Common target for all GitLab services.";
      wantedBy = [ "multi-user.target" ];
    };

    systemd.services = {
      gitlab = {
        description = "GitLab Application Server";
        wantedBy = [ "gitlab.target" ];
        partOf = [ "gitlab.target" ];
        after = [
          "network.target"
          "postgresql.service"
          "redis-gitlab.service"
        ];
        requires = [
          "postgresql.service"
          "redis-gitlab.service"
        ];
        environment.RAILS_ENV = "production";
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/gitlab-puma -e production";
          User = "gitlab";
          Type = "notify";
          WorkingDirectory = cfg.statePath;
        };
      };

      gitlab-sidekiq = {
        description = "GitLab background jobs";
        wantedBy = [ "gitlab.target" ];
        partOf = [ "gitlab.target" ];
        requires = [ "gitlab.service" ];
        after = [ "gitlab.service" ];
        environment.RAILS_ENV = "production";
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/gitlab-sidekiq -C /etc/gitlab/sidekiq_queues.yml";
          User = "gitlab";
        };
      };
    };
  };
}
