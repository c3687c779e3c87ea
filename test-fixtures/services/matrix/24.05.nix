# What Synapse does to its database: a schema version a release, of which it writes down how far back a rollback may
# go (SCHEMA_COMPAT_VERSION). Steps are the releases that moved that line.
{ config, lib, ... }:

let
  databaseUpdate = ''
    "$NEW_PACKAGE/bin/update_synapse_database" \
      --database-config "$SYNAPSE_HOME/homeserver.yaml" --run-background-updates
  '';

  common = [
    {
      # Schema 73 (1.73): the event push tables lose their old columns.
      version = "2022-12-06";
      up.script = databaseUpdate;
      down.script = ''
        # Synapse up to 1.71 reads schema 73.
        "$OLD_PACKAGE/bin/update_synapse_database" --database-config "$SYNAPSE_HOME/homeserver.yaml"
      '';
    }
    {
      # Schema 83 (1.98): membership is written twice until the background update has ended.
      version = "2023-12-12";
      up = {
        script = databaseUpdate;
        verify = ''
          "$NEW_PACKAGE/bin/update_synapse_database" --database-config "$SYNAPSE_HOME/homeserver.yaml" --check
        '';
      };
      down.script = ''
        "$OLD_PACKAGE/bin/update_synapse_database" --database-config "$SYNAPSE_HOME/homeserver.yaml"
      '';
    }
  ];
in
{
  migrations = lib.mapAttrs' (
    name: server:
    lib.nameValuePair "matrix-${name}" {
      # One gate before the main process and all workers, which share one database.
      requiredBy = [
        "matrix-${name}.service"
      ]
      ++ map (worker: "matrix-${name}-worker-${worker}.service") server.workers;
      inherit (server) package;
      stateDirectories = [ server.stateDirectory ];
      environment.SYNAPSE_HOME = server.stateDirectory;
      serviceConfig.User = "matrix-${name}";
      steps = common;
    }
  ) config.services.matrix.instances;
}
