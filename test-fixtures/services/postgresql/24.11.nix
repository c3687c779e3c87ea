# PostgreSQL 17. Indexes on expressions with the built-in collation provider are rebuilt afterwards.
{ config, lib, ... }:

let
  cfg = config.services.postgresql;
  inherit (cfg.package) psqlSchema;
in
{
  migrations.postgresql = lib.mkIf (cfg.enable && lib.versionAtLeast psqlSchema "17") {
    steps."2024-09-26" = {
      program = "17";
      cumulative = true;
      up = {
        script = ''
          old=$(cat /var/lib/postgresql/*/PG_VERSION | sort -n | tail -n 1)
          new=/var/lib/postgresql/$PGMAJOR

          install -d -m 0750 "$new"
          "$NEW_PACKAGE/bin/initdb" -U postgres -D "$new"
          cd "$new"
          "$NEW_PACKAGE/bin/pg_upgrade" --username postgres \
            --old-bindir "$OLD_PACKAGE/bin" --old-datadir "/var/lib/postgresql/$old" \
            --new-bindir "$NEW_PACKAGE/bin" --new-datadir "$new"
          mv "/var/lib/postgresql/$old" "/var/lib/postgresql/$old.before-$PGMAJOR"
        '';
        verify = ''
          test "$(cat /var/lib/postgresql/$PGMAJOR/PG_VERSION)" = 17
        '';
      };
      down.script = ''
        older=$("$NEW_PACKAGE/bin/postgres" --version)
        older=''${older##* }
        older=''${older%%.*}

        "$OLD_PACKAGE/bin/pg_ctl" -D /var/lib/postgresql/17 -o "-c listen_addresses=" -w start
        "$OLD_PACKAGE/bin/pg_dumpall" -U postgres > "$BACKUP/all.sql"
        "$OLD_PACKAGE/bin/pg_ctl" -D /var/lib/postgresql/17 -m fast -w stop
        mv /var/lib/postgresql/17 "$BACKUP/17"

        "$NEW_PACKAGE/bin/initdb" -U postgres -D "/var/lib/postgresql/$older"
        "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$older" -o "-c listen_addresses=" -w start
        "$NEW_PACKAGE/bin/psql" -U postgres -X -f "$BACKUP/all.sql" postgres
        "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$older" -m fast -w stop
      '';
    };
  };
}
