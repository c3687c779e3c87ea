# Schema 88 (1.116): sliding sync tables. 1.120 moves media behind authentication, which is not undone.
{ config, lib, ... }:

{
  migrations = lib.mapAttrs' (
    name: server:
    lib.nameValuePair "matrix-${name}" {
      steps = [
        {
          version = "2024-10-01";
          up.script = ''
            "$NEW_PACKAGE/bin/update_synapse_database" \
              --database-config "$SYNAPSE_HOME/homeserver.yaml" --run-background-updates
          '';
          down.script = ''
            "$OLD_PACKAGE/bin/update_synapse_database" --database-config "$SYNAPSE_HOME/homeserver.yaml"
          '';
        }
      ]
      ++ lib.optionals (lib.versionAtLeast server.package.version "1.120") [
        {
          version = "2024-11-26";
          up = {
            warn = ''
              Media uploaded from now on is served to authenticated clients only.
              Going back to a Synapse before 1.120 makes that media unreachable.
            '';
            script = ''
              "$NEW_PACKAGE/bin/update_synapse_database" \
                --database-config "$SYNAPSE_HOME/homeserver.yaml" --run-background-updates
            '';
          };
          down.script = ''
            "$OLD_PACKAGE/bin/update_synapse_database" --database-config "$SYNAPSE_HOME/homeserver.yaml"
          '';
        }
      ];
    }
  ) config.services.matrix.instances;
}
