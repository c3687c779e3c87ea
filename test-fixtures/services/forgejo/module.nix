{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.forgejo;
in
{
  options.services.forgejo = {
    enable = lib.mkEnableOption "Forgejo";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.forgejo;
      description = "The Forgejo to run.";
    };
    stateDir = lib.mkOption {
      type = lib.types.path;
      default = "/var/lib/forgejo";
      description = "Where repositories and the database are.";
    };
  };

  config.systemd.services.forgejo = lib.mkIf cfg.enable {
    description = "Forgejo (Beyond coding. We forge.)";
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    environment.FORGEJO_WORK_DIR = cfg.stateDir;
    serviceConfig = {
      ExecStart = "${cfg.package}/bin/forgejo web --pid /run/forgejo/forgejo.pid";
      User = "forgejo";
      Restart = "always";
      RuntimeDirectory = "forgejo";
    };
  };
}
