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

  cfg = config.services.postgresql;
in
{
  options.services.postgresql = {
    enable = mkEnableOption "PostgreSQL";

    package = mkOption {
      type = types.package;
      description = "The PostgreSQL to run.";
    };

    dataDir = mkOption {
      type = types.path;
      default = "/var/lib/postgresql/${cfg.package.psqlSchema}";
      description = "Where the cluster is.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    systemd.services.postgresql = {
      description = "PostgreSQL Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      environment.PGDATA = cfg.dataDir;
      path = [ cfg.package ];
      unitConfig.RequiresMountsFor = [ cfg.dataDir ];

      preStart = ''
        if ! test -e "$PGDATA/PG_VERSION"; then
          install -d -m 0750 "$PGDATA"
          initdb -U postgres
        fi
      '';

      # The program is found in PATH, as upstream's scripts do it.
      script = ''
        exec postgres
      '';

      serviceConfig = {
        User = "postgres";
        Group = "postgres";
        Type = "notify";
        KillMode = "mixed";
        KillSignal = "SIGINT";
        TimeoutSec = 120;
      };
    };
  };
}
