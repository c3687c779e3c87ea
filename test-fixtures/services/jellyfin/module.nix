# The unit is the package's own; the configuration adds to it.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.jellyfin;
in
{
  options.services.jellyfin = {
    enable = lib.mkEnableOption "Jellyfin";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.jellyfin;
      description = "The Jellyfin to run.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.packages = [ cfg.package ];
    systemd.services.jellyfin = {
      overrideStrategy = "asDropin";
      wantedBy = [ "multi-user.target" ];
      reloadIfChanged = true;
      environment.JELLYFIN_WEB_DIR = "${cfg.package}/share/jellyfin-web";
      serviceConfig.UMask = "0077";
    };
  };
}
