# Small services for tests of migrations: each puts what it is told on a shelf, and starts only on a shelf of its own version.
#
# What is on the shelf is in `items` of its state directory, and its version in `version`; a way up to version N marks every
# item with `^N`, and the way down takes the mark off.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    mapAttrs
    mkOption
    types
    ;

  days = {
    "2024-01-01" = 1;
    "2024-02-01" = 2;
    "2024-03-01" = 3;
  };

  # Looks at what is there before, and leaves it half done in between.
  move = from: to: edit: ''
    cd "$STATE_DIRECTORIES"
    [ "$(cat version)" = ${toString from} ]
    echo half-way > version
    sed -i '${edit}' items
    echo ${toString to} > version
  '';

  step = shelf: number: {
    program = lib.mkIf shelf.program (toString number);
    up.script = move (number - 1) number "s/$/ ^${toString number}/";
    down.script = move number (number - 1) "s/ ^${toString number}$//";
  };

  package =
    name: shelf:
    pkgs.writeTextFile {
      name = "${name}-${toString shelf.version}.0";
      executable = true;
      destination = "/bin/shelf";
      text = ''
        #!/bin/sh
        set -e
        cd /var/lib/${name}
        if [ ! -e version ]; then
          echo ${toString shelf.version} > version
          : > items
        fi
        found=$(cat version)
        if [ "$found" != ${toString shelf.version} ]; then
          echo "this is a shelf of version $found, and I am ${toString shelf.version}" >&2
          exit 1
        fi
        exec sleep infinity
      '';
    };
in
{
  options.services.shelves = mkOption {
    default = { };
    description = "The shelves.";
    type = types.attrsOf (
      types.submodule {
        options = {
          version = mkOption {
            type = types.int;
            description = "The version of the service.";
          };
          migrate = mkOption {
            type = types.bool;
            default = true;
            description = "Whether it declares its migrations, up to this version.";
          };
          program = mkOption {
            type = types.bool;
            default = false;
            description = "Whether a migration says from which program on it is needed.";
          };
          detect = mkOption {
            type = types.bool;
            default = false;
            description = "Whether its state is asked which version it is of.";
          };
        };
      }
    );
  };

  config = {
    systemd.services = mapAttrs (name: shelf: {
      description = "Shelf ${toString shelf.version}";
      wantedBy = [ "multi-user.target" ];
      path = [ pkgs.coreutils ];
      serviceConfig = {
        ExecStart = "${package name shelf}/bin/shelf";
        StateDirectory = name;
      };
    }) config.services.shelves;

    migrations = mapAttrs (name: shelf: {
      stateDirectories = [ "/var/lib/${name}" ];
      package = lib.mkIf shelf.program (package name shelf);
      detect = lib.mkIf shelf.detect ''
        case "$(cat "$STATE_DIRECTORIES/version")" in
        ${lib.concatStrings (
          lib.mapAttrsToList (day: number: "  ${toString number}) echo ${day} ;;\n") days
        )}esac
      '';
      steps = mapAttrs (_: step shelf) (lib.filterAttrs (_: number: number <= shelf.version) days);
    }) (lib.filterAttrs (_: shelf: shelf.migrate) config.services.shelves);
  };
}
