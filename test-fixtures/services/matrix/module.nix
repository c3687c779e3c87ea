# Homeservers side by side: each instance has a state directory, a database and units of its own.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapAttrs
    mkOption
    nameValuePair
    types
    ;

  instances = config.services.matrix.instances;

  instance =
    { name, ... }:
    {
      options = {
        package = mkOption {
          type = types.package;
          default = pkgs.matrix-synapse;
          description = "The Synapse to run.";
        };
        workers = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Worker processes beside the main one.";
        };
        stateDirectory = mkOption {
          type = types.str;
          default = "/var/lib/matrix-${name}";
          description = "Where media, keys and a SQLite database are.";
        };
      };
    };

  unit = name: server: exec: {
    wantedBy = [ "multi-user.target" ];
    after = [ "network-online.target" ];
    environment.SYNAPSE_CACHE_FACTOR = "2.0";
    serviceConfig = {
      ExecStart = "${server.package}/bin/${exec} --config-path ${server.stateDirectory}/homeserver.yaml";
      Type = "notify";
      User = "matrix-${name}";
      StateDirectory = "matrix-${name}";
    };
  };
in
{
  options.services.matrix.instances = mkOption {
    type = types.attrsOf (types.submodule instance);
    default = { };
    description = "Matrix homeservers by name.";
  };

  config.systemd.services = concatMapAttrs (
    name: server:
    {
      "matrix-${name}" = unit name server "synapse_homeserver" // {
        description = "Synapse Matrix homeserver (${name})";
      };
    }
    // lib.listToAttrs (
      map (
        worker:
        nameValuePair "matrix-${name}-worker-${worker}" (
          unit name server "synapse_worker"
          // {
            description = "Synapse worker ${worker} (${name})";
            requires = [ "matrix-${name}.service" ];
          }
        )
      ) server.workers
    )
  ) instances;
}
