{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.mastodon;
in
{
  options.services.mastodon = {
    enable = lib.mkEnableOption "Mastodon";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.mastodon;
      description = "The Mastodon to run.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services = {
      mastodon-web = {
        description = "Mastodon web";
        wantedBy = [ "multi-user.target" ];
        requires = [ "postgresql.service" ];
        after = [ "postgresql.service" ];
        environment.RAILS_ENV = "production";
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/puma -C config/puma.rb";
          User = "mastodon";
          StateDirectory = "mastodon";
        };
      };

      mastodon-sidekiq-all = {
        description = "Mastodon Sidekiq - all";
        wantedBy = [ "multi-user.target" ];
        requires = [ "mastodon-web.service" ];
        after = [ "mastodon-web.service" ];
        environment.RAILS_ENV = "production";
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/sidekiq -c 25 -q default";
          User = "mastodon";
        };
      };
    };
  };
}
