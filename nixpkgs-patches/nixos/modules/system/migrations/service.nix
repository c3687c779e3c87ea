# The options of one service: what `migrations.<service>` and `systemd.services.<name>.migrations` take.
# `fixedName` is the service's name where the option's own path does not end in it, else null.
{ lib, fixedName }:

let
  inherit (lib)
    isString
    literalExpression
    mkOption
    types
    ;
  ours = import ./types.nix { inherit lib; };

  text =
    what:
    mkOption {
      type = ours.text;
      default = null;
      description = what;
    };

  # What both directions have.
  action = types.submodule {
    options = {
      script = text ''
        Shell commands that bring the state from one version to the other, run by bash with `set -euo pipefail`.
        They find `BACKUP`, `MIGRATION_SERVICE`, `MIGRATION_VERSION`, `MIGRATION_DIRECTION`, `STATE_DIRECTORIES`,
        `OLD_PACKAGE` and `NEW_PACKAGE` in the environment, besides what
        {option}`path` and {option}`environment` give, and nothing else.
        Name programs of another version of the service by `OLD_PACKAGE` and `NEW_PACKAGE`, not by a store path, which
        would keep that version in every system.

        A script that has failed and was restored may run again, from the state as it was.
      '';
      warn = mkOption {
        type = ours.warning;
        default = null;
        description = ''
          What is lost for good by going this way, in words for the administrator. An action with a warning runs only
          when it was acknowledged: do not put a warning on a step that merely takes long.
        '';
      };
      backup = text ''
        Shell commands that copy into `$BACKUP`, an empty directory, what {option}`restore` needs to undo the script.
        They run before the script, with the service stopped. Without them, and with
        {option}`stateDirectories`, those directories are copied and restored as a whole.
      '';
      restore = text ''
        Shell commands that bring back from `$BACKUP` exactly the state that was there before the script began. They run
        when the script or {option}`verify` fails, or did not end.
      '';
      verify = text ''
        Shell commands that fail when the state is not what the script should have made of it. They run after the
        script, before the service may start.
      '';
    };
  };

  step = types.submodule (
    { name, ... }:
    {
      options = {
        version = mkOption {
          type = types.str;
          default = name;
          defaultText = literalExpression "name";
          readOnly = true;
          description = ''
            The day on which the migration was merged, as `YYYY-MM-DD`, or `YYYY-MM-DD.N` with `N` from 1 to 9 for
            several on one day. It is the migration's identity: it never changes and is never used again.
          '';
        };
        origin = mkOption {
          type = ours.origin;
          default = null;
          internal = true;
          description = "The place, `FILE:LINE:COLUMN`, where the migration is defined.";
        };
        program = mkOption {
          type = types.nullOr (types.strMatching "[0-9]+(\\.[0-9]+)*");
          default = null;
          example = "16";
          description = ''
            The lowest version of {option}`package` whose data this migration makes, in as many components as matter.
            Where the configured package is older, the migration is not part of the history: it waits for the package.
          '';
        };
        cumulative = mkOption {
          type = types.bool;
          default = false;
          description = ''
            Whether the way up starts from any older version, and the way down goes back to any. Pending older steps are
            then not run, and count as applied with this one; on the way back, those that were applied before it count as
            undone with it. Dumping and loading is cumulative, for one. The scripts go by {env}`OLD_PACKAGE` and
            {env}`NEW_PACKAGE`, not by the version before.
          '';
        };
        up = mkOption {
          type = action;
          default = { };
          description = "From the version before to this one.";
        };
        down = mkOption {
          type = action;
          default = { };
          description = ''
            From this version to the one before. Without a {option}`script` here, the way up needs to be acknowledged,
            since there is no way back but a backup.
          '';
        };
      };
    }
  );

  # A string with context says no more than a path; what reads a service wants a name too.
  asPackage =
    package:
    if isString package then
      {
        type = "derivation";
        name = builtins.substring 33 (-1) (baseNameOf (builtins.unsafeDiscardStringContext package));
        outPath = package;
      }
    else
      package;
in
ours.serviceOrList (
  types.submodule (
    { name, ... }:
    let
      service = if fixedName == null then name else fixedName;
    in
    {
      options = {
        steps = mkOption {
          type = ours.steps step;
          default = { };
          example = literalExpression ''
            {
              "2023-04-07" = {
                up.script = "mv /var/lib/example/data.json /var/lib/example/data-v2.json";
                down.script = "mv /var/lib/example/data-v2.json /var/lib/example/data.json";
              };
            }
          '';
          description = ''
            The history of the service's state: its migrations by version. A list of sets with a `version` each is
            accepted as well, and so is such a list in place of the whole service.
          '';
        };

        requiredBy = mkOption {
          type = types.listOf ours.gatedUnit;
          default = [ "${service}.service" ];
          defaultText = literalExpression ''[ "''${name}.service" ]'';
          description = ''
            The service units that work on this state. They do not start before the state is what this system expects,
            and are restarted when their list of versions changes.
          '';
        };

        requires = mkOption {
          type = types.listOf ours.unit;
          default = [ ];
          example = [ "postgresql.service" ];
          description = ''
            Units that must be up while the state of this service is migrated, its database for one. Where they have
            migrations of their own, those go first on the way up and last on the way down.
          '';
        };

        stateDirectories = mkOption {
          type = types.listOf ours.stateDirectory;
          default = [ ];
          example = [ "/var/lib/postgresql" ];
          description = ''
            The directories that hold the state, and nothing else. They tell a fresh machine from one with data, are
            copied before a script that has no {option}`backup` of its own, and are swapped back when it fails.

            Never a path with a version in it: at the next version it would be empty, and the state be taken for fresh.
          '';
        };

        package = mkOption {
          type = types.nullOr types.package;
          default = null;
          apply = asPackage;
          example = literalExpression "config.services.postgresql.package";
          description = ''
            The package whose data it is. Scripts find it as `NEW_PACKAGE`, and the one that ran before as
            `OLD_PACKAGE`. Steps with a {option}`program` need it.
          '';
        };

        detect = text ''
          Shell commands that print the version that the data is really on, or nothing where they cannot tell. They are
          asked where nothing is recorded of the state and before anything runs on it, and believed. They must not write.
        '';

        oldest = mkOption {
          type = types.nullOr ours.version;
          default = null;
          example = "2021-01-01";
          description = ''
            The oldest version that can be brought to this history. Older state is refused, with the advice to go
            through an older release first.
          '';
        };

        path = mkOption {
          type = types.listOf (
            types.oneOf [
              types.package
              types.str
            ]
          );
          default = [ ];
          example = literalExpression "[ pkgs.jq ]";
          description = ''
            Packages whose `bin` and `sbin` the scripts find in `PATH`, before those of
            {option}`services.nixmig.path`.
          '';
        };

        environment = mkOption {
          type = types.attrsOf (
            types.nullOr (
              types.oneOf [
                types.str
                types.path
                types.package
              ]
            )
          );
          default = { };
          example = {
            PGPORT = "5433";
          };
          description = "Environment variables of the scripts. They are readable by all: secrets belong in credentials.";
        };

        serviceConfig = mkOption {
          type =
            let
              scalar = types.oneOf [
                types.bool
                types.int
                types.str
                types.path
                types.package
              ];
            in
            types.attrsOf (types.either scalar (types.listOf scalar));
          default = { };
          example = {
            User = "postgres";
            LoadCredential = [ "password:/run/keys/password" ];
          };
          description = ''
            Settings of {manpage}`systemd.exec(5)` for the scripts, `User=`, `LoadCredential=` or `EnvironmentFile=` for
            instance. Outside of systemd only `User=` can be had, and a step that needs more is refused.
          '';
        };

        acknowledge = mkOption {
          type = types.listOf ours.version;
          default = [ ];
          example = [ "2023-09-14" ];
          description = ''
            The versions whose way up may destroy what it says in its warning, or has no way back, and is accepted on
            this machine.
          '';
        };
      };
    }
  )
)
