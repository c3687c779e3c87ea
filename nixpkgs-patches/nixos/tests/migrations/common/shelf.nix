# A small service for tests of migrations: it puts what it is told on a shelf, and starts only on one of its own version.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.shelf;

  # A version's shelf has its number in the file `version`, and what is on it in `items`.
  step = number: {
    up.script = ''
      cd "$STATE_DIRECTORIES"
      [ "$(cat version)" = ${toString (number - 1)} ]
      echo half-way > version
      sed -i 's/$/ ^${toString number}/' items
      echo ${toString number} > version
    '';
    down.script = ''
      cd "$STATE_DIRECTORIES"
      [ "$(cat version)" = ${toString number} ]
      echo half-way > version
      sed -i 's/ ^${toString number}$//' items
      echo ${toString (number - 1)} > version
    '';
  };

  versions = {
    "2024-01-01" = 1;
    "2024-02-01" = 2;
    "2024-03-01" = 3;
  };
in
{
  options.services.shelf = {
    version = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The version of the service; without one it is off.";
    };
    migrate = mkOption {
      type = types.bool;
      default = true;
      description = "Whether it declares its migrations.";
    };
  };

  config = mkIf (cfg.version != null) {
    systemd.services.shelf = {
      description = "Shelf ${toString cfg.version}";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.StateDirectory = "shelf";
      script = ''
        cd /var/lib/shelf
        if [ ! -e version ]; then
          echo ${toString cfg.version} > version
          : > items
        fi
        found=$(cat version)
        if [ "$found" != ${toString cfg.version} ]; then
          echo "this is a shelf of version $found, and I am ${toString cfg.version}" >&2
          exit 1
        fi
        touch /run/shelf-is-up
        exec sleep infinity
      '';
    };

    migrations.shelf = mkIf cfg.migrate {
      stateDirectories = [ "/var/lib/shelf" ];
      steps = lib.mapAttrs (_: step) (lib.filterAttrs (_: number: number <= cfg.version) versions);
    };
  };
}
