# PostgreSQL's major versions. Each has its own data directory and reads no other's: the way up is
# pg_upgrade with the programs of both, the way down a dump made by the newer server and read by the older.
{ config, lib, ... }:

let
  inherit (lib) mkIf versionAtLeast;

  cfg = config.services.postgresql;
  schema = cfg.package.psqlSchema;

  reaches = versionAtLeast schema;

  # The cluster is found through PG_VERSION, so that one step serves whatever major the state is on. The major that is
  # wanted comes by the environment: a text that named it would be another text with every major.
  upgrade = ''
    old=$(cat /var/lib/postgresql/*/PG_VERSION | sort -n | tail -n 1)
    new=/var/lib/postgresql/$PGMAJOR

    install -d -m 0750 "$new"
    "$NEW_PACKAGE/bin/initdb" -U postgres -D "$new"

    cd "$new"
    "$NEW_PACKAGE/bin/pg_upgrade" \
      --username postgres \
      --old-bindir "$OLD_PACKAGE/bin" --old-datadir "/var/lib/postgresql/$old" \
      --new-bindir "$NEW_PACKAGE/bin" --new-datadir "$new"

    mv "/var/lib/postgresql/$old" "/var/lib/postgresql/$old.before-$PGMAJOR"
  '';

  # The way down goes to any older major. Which one that is only its own program knows: what is set here is of the newer
  # generation.
  dumpAndLoad = ''
    newer=$(cat /var/lib/postgresql/*/PG_VERSION | sort -n | tail -n 1)
    older=$("$NEW_PACKAGE/bin/postgres" --version)
    older=''${older##* }
    older=''${older%%.*}
    dump=$BACKUP/all.sql

    "$OLD_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$newer" -o "-c listen_addresses=" -w start
    "$OLD_PACKAGE/bin/pg_dumpall" -U postgres > "$dump"
    "$OLD_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$newer" -m fast -w stop
    mv "/var/lib/postgresql/$newer" "$BACKUP/$newer"

    "$NEW_PACKAGE/bin/initdb" -U postgres -D "/var/lib/postgresql/$older"
    "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$older" -o "-c listen_addresses=" -w start
    "$NEW_PACKAGE/bin/psql" -U postgres -X -f "$dump" postgres
    "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$older" -m fast -w stop
  '';

  verify = ''
    test "$(cat "/var/lib/postgresql/$PGMAJOR/PG_VERSION")" = "$PGMAJOR"
    "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$PGMAJOR" -o "-c listen_addresses=" -w start
    "$NEW_PACKAGE/bin/vacuumdb" -U postgres --all --analyze-in-stages
    "$NEW_PACKAGE/bin/pg_ctl" -D "/var/lib/postgresql/$PGMAJOR" -m fast -w stop
  '';
in
{
  migrations.postgresql = mkIf cfg.enable {
    stateDirectories = [ "/var/lib/postgresql" ];
    package = cfg.package;
    environment.PGMAJOR = schema;
    serviceConfig.User = "postgres";

    detect = ''
      case $(cat /var/lib/postgresql/*/PG_VERSION 2> /dev/null | sort -n | tail -n 1) in
        13) echo 2020-09-24 ;;
        14) echo 2021-09-30 ;;
        15) echo 2022-10-13 ;;
        16) echo 2023-09-14 ;;
        17) echo 2024-09-26 ;;
      esac
    '';

    steps = {
      "2020-09-24" = mkIf (reaches "13") {
        program = "13";
        cumulative = true;
        up = {
          script = upgrade;
          inherit verify;
        };
        down.script = dumpAndLoad;
      };

      "2021-09-30" = mkIf (reaches "14") {
        program = "14";
        cumulative = true;
        up = {
          script = upgrade;
          inherit verify;
        };
        down.script = dumpAndLoad;
      };

      # The public schema is no longer writable by everybody; databases that relied on it must grant it.
      "2022-10-13" = mkIf (reaches "15") {
        program = "15";
        cumulative = true;
        up = {
          script = upgrade;
          inherit verify;
        };
        down.script = dumpAndLoad;
      };
    };
  };
}
