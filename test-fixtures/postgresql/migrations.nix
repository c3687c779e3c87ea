# PostgreSQL's migrations, for real servers: any older major to this one by pg_upgrade, and back by dumping and loading.
# Nothing here names a PostgreSQL but the one that is configured: scripts find the other as OLD_PACKAGE or NEW_PACKAGE.
{ config, lib, ... }:

let
  cfg = config.services.postgresql;

  # What all scripts begin with. Servers run as children of the script and in its process group, so that they end with it
  # however it ends, and can be reached through a socket in a directory of their own alone. They need not flush what they
  # write: nixmig does so before it calls the step finished, and takes the backup until then.
  prelude = ''
    export LC_ALL=C PGUSER=postgres PGDATABASE=postgres PGOPTIONS='-c lc_messages=C -c client_min_messages=error'
    state=$STATE_DIRECTORIES
    declare -A servers=()

    sockets=$(mktemp -d -t migrate-postgresql.XXXXXX)
    echo 'local all all trust' > "$sockets/hba"
    leave() {
      local server
      for server in "''${servers[@]}"; do
        kill -QUIT "$server" 2> /dev/null && wait "$server" || true
      done
      rm -rf "$sockets"
    }
    trap leave EXIT

    # quietly COMMAND…: what it prints is shown when it fails.
    quietly() {
      "$@" > "$sockets/printed" 2>&1 || {
        cat "$sockets/printed" >&2
        return 1
      }
    }

    # The major version of the cluster that is here.
    cluster() {
      cat "$state"/*/PG_VERSION | sort -n | tail -n 1
    }

    # The major version of a package.
    major() {
      "$1/bin/postgres" --version | sed 's/^.* (PostgreSQL) \([0-9]*\).*/\1/'
    }

    # serve PACKAGE MAJOR: starts a server that only this script can reach.
    serve() {
      mkdir "$sockets/$2"
      "$1/bin/postgres" -D "$state/$2" -k "$sockets/$2" -c listen_addresses= -c "hba_file=$sockets/hba" \
        -c ssl=off -c archive_mode=off -c autovacuum=off -c fsync=off -c full_page_writes=off \
        -c logging_collector=off -c log_destination=stderr -c log_min_messages=fatal 2> "$sockets/$2/log" &
      servers[$2]=$!
      until "$1/bin/psql" --host "$sockets/$2" --no-psqlrc --quiet --command "" 2> /dev/null; do
        kill -0 "''${servers[$2]}" 2> /dev/null || {
          cat "$sockets/$2/log" >&2
          return 1
        }
        sleep 0.05
      done
    }

    stop() {
      kill -TERM "''${servers[$1]}"
      wait "''${servers[$1]}"
      unset "servers[$1]"
      rm -r "''${sockets:?}/$1"
    }

    # ask PACKAGE MAJOR OPTION…: psql, which ends at the first error.
    ask() {
      "$1/bin/psql" --host "$sockets/$2" --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "''${@:3}"
    }

    # Every database that takes connections, by names that contain anything but a newline.
    databases() {
      ask "$1" "$2" --command 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname'
    }

    # make_like PACKAGE MAJOR OTHER-PACKAGE OTHER-MAJOR: an empty cluster of the first with the ways of the second, which
    # is being served. Columns that not every version has are asked for by way of JSON.
    make_like() {
      local answers
      readarray -t answers < <(ask "$3" "$4" --command "
        SELECT concat_ws(E'\n', pg_encoding_to_char(encoding), datcollate, datctype,
          coalesce(to_jsonb(d)->>'datlocprovider', 'c'),
          coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'))
        FROM pg_database d WHERE datname = 'template0'")
      local options=(
        --username postgres --auth trust --no-sync
        --encoding "''${answers[0]}" --locale "''${answers[2]}" --lc-collate "''${answers[1]}" --lc-messages C
        --wal-segsize "$(ask "$3" "$4" --command "
          SELECT setting::bigint / 1048576 FROM pg_settings WHERE name = 'wal_segment_size'")"
      )
      case "''${answers[3]}" in
        c) ;;
        i) options+=(--locale-provider icu --icu-locale "''${answers[4]}") ;;
        b) options+=(--locale-provider builtin --builtin-locale "''${answers[4]}") ;;
      esac
      if [ "$(ask "$3" "$4" --command 'SHOW data_checksums')" = on ]; then
        options+=(--data-checksums)
      elif [ "$2" -ge 18 ]; then
        options+=(--no-data-checksums)
      fi
      quietly "$1/bin/initdb" "''${options[@]}" --pgdata "$state/$2"
    }

    # What an administrator wrote into the old cluster and no dump has.
    keep_settings() {
      cp -P "$state/$1"/{pg_hba.conf,pg_ident.conf,postgresql.auto.conf} "$state/$2/"
    }

    # Where text sorts otherwise than it did, indexes on it are made anew, and it is no news any longer. What is new to
    # the planner it learns.
    settle() {
      local database
      databases "$1" "$2" > "$sockets/databases"
      while IFS= read -r database; do
        quietly ask "$1" "$2" --dbname "$(named "$database")" << 'END'
          SELECT count(*) > 0 AS moved FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid) \gset
          SELECT current_setting('server_version_num')::int >= 150000 AS database_has_one \gset
          \if :database_has_one
            SELECT :'moved' OR coalesce(datcollversion <> pg_database_collation_actual_version(oid), false) AS moved
              FROM pg_database WHERE datname = current_database() \gset
          \endif
          \if :moved
            SELECT format('REINDEX DATABASE %I', current_database()) \gexec
            SELECT format('ALTER COLLATION %s REFRESH VERSION', oid::regcollation) FROM pg_collation
              WHERE collversion <> pg_collation_actual_version(oid) \gexec
            \if :database_has_one
              SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname) FROM pg_database
                WHERE datname = current_database() AND datcollversion IS NOT NULL \gexec
            \endif
          \endif
          ANALYZE;
    END
      done < "$sockets/databases"
    }

    # A name of a database that psql takes for nothing else.
    named() {
      local name=''${1//\\/\\\\}
      printf "dbname='%s'" "''${name//\'/\\\'}"
    }
  '';

  # Hard links into the old cluster: its own files are in the backup, and nobody else has any.
  up = ''
    old=$(cluster)
    new=$(major "$NEW_PACKAGE")

    # A cluster that was not shut down well is one afterwards.
    serve "$OLD_PACKAGE" "$old"
    make_like "$NEW_PACKAGE" "$new" "$OLD_PACKAGE" "$old"
    stop "$old"

    cd "$state/$new"
    options=(--username postgres --link --socketdir "$sockets")
    if [ "$new" -ge 15 ]; then
      options+=(--no-sync)
    fi
    echo "pg_upgrade $old -> $new"
    quietly "$NEW_PACKAGE/bin/pg_upgrade" "''${options[@]}" \
      --old-bindir "$OLD_PACKAGE/bin" --old-datadir "$state/$old" \
      --new-bindir "$NEW_PACKAGE/bin" --new-datadir "$state/$new" || {
      find "$state/$new" "$state/$old" -newer "$sockets/hba" \( -name 'pg_upgrade*.log' -o -name '*.txt' \) -exec tail -n 30 {} + >&2
      exit 1
    }
    keep_settings "$old" "$new"
    rm -r "''${state:?}/$old"

    serve "$NEW_PACKAGE" "$new"
    if [ -e update_extensions.sql ]; then
      ask "$NEW_PACKAGE" "$new" --file update_extensions.sql
    fi
    settle "$NEW_PACKAGE" "$new"
    stop "$new"
    rm -f "$state/$new"/{update_extensions.sql,delete_old_cluster.sh}
    cd /
  '';

  # A dump says what it says in the newer version's words. From 16 on a membership may differ from its member in whether it
  # inherits: what the older version means anyway is left out, and what it cannot express is refused. A setting that is new
  # in 17 and that the dump only resets is unknown to the older version, and the superuser is there already: every other
  # error is one.
  down = ''
    newer=$(cluster)
    older=$(major "$NEW_PACKAGE")
    if [ "$older" -lt 15 ] && [ "$newer" -ge 15 ]; then
      echo "PostgreSQL $older has no word for the locale providers that every dump of $newer names." >&2
      exit 1
    fi

    serve "$OLD_PACKAGE" "$newer"
    words=cat
    if [ "$newer" -ge 16 ] && [ "$older" -lt 16 ]; then
      memberships=$(ask "$OLD_PACKAGE" "$newer" --command "
        SELECT format('%s in %s', member::regrole, roleid::regrole) FROM pg_auth_members JOIN pg_roles r ON r.oid = member
        WHERE inherit_option <> rolinherit OR NOT set_option")
      if [ -n "$memberships" ]; then
        echo "PostgreSQL $older has no memberships with WITH INHERIT or WITH SET of their own: $memberships" >&2
        exit 1
      fi
      words=without_inheritance
    fi
    without_inheritance() {
      sed -E '1,/^\\connect /{
        s/^(GRANT .* WITH ADMIN OPTION), INHERIT (TRUE|FALSE)( GRANTED BY .*;)$/\1\3/
        s/^(GRANT .*) WITH INHERIT (TRUE|FALSE)( GRANTED BY .*;)$/\1\3/
      }'
    }

    make_like "$NEW_PACKAGE" "$older" "$OLD_PACKAGE" "$newer"
    serve "$NEW_PACKAGE" "$older"
    echo "pg_dumpall $newer -> $older"
    "$OLD_PACKAGE/bin/pg_dumpall" --host "$sockets/$newer" | "$words" \
      | "$OLD_PACKAGE/bin/psql" --host "$sockets/$older" --no-psqlrc --quiet --file - > /dev/null 2> "$sockets/errors"
    unexpected=$(sed -n '/ ERROR:  unrecognized configuration parameter "transaction_timeout"$/d
      / ERROR:  role "postgres" already exists$/d
      /\(ERROR\|FATAL\|PANIC\):  /p' "$sockets/errors")
    if [ -n "$unexpected" ]; then
      echo "PostgreSQL $older does not take what $newer has dumped:" >&2
      head -n 40 <<< "$unexpected" >&2
      exit 1
    fi

    settle "$NEW_PACKAGE" "$older"
    stop "$older"
    stop "$newer"
    keep_settings "$newer" "$older"
    rm -r "''${state:?}/$newer"
  '';

  # Every index agrees with its table, every row can be read, everything can be dumped; and it is the only cluster here.
  verify = ''
    major=$(major "$NEW_PACKAGE")
    [ "$(cd "$state" && echo */PG_VERSION)" = "$major/PG_VERSION" ]
    serve "$NEW_PACKAGE" "$major"
    databases "$NEW_PACKAGE" "$major" > "$sockets/databases"
    while IFS= read -r database; do
      ask "$NEW_PACKAGE" "$major" --dbname "$(named "$database")" > /dev/null << 'END'
        BEGIN;
        SELECT count(*) > 0 AS can_check FROM pg_available_extensions WHERE name = 'amcheck' \gset
        \if :can_check
          CREATE EXTENSION IF NOT EXISTS amcheck;
          SELECT bt_index_check(i.indexrelid, true) FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
            WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisready AND i.indisvalid;
        \endif
        SELECT format('SELECT count(t) FROM %s t', oid::regclass) FROM pg_class
          WHERE relkind IN ('r', 'm') AND relpersistence = 'p' \gexec
        ROLLBACK;
    END
    done < "$sockets/databases"
    "$NEW_PACKAGE/bin/pg_dumpall" --host "$sockets/$major" --schema-only > /dev/null
    stop "$major"
  '';

  step = program: {
    inherit program;
    cumulative = true;
    up = {
      script = prelude + up;
      verify = prelude + verify;
    };
    down = {
      script = prelude + down;
      verify = prelude + verify;
    };
  };

  # The days on which the majors came out.
  majors = {
    "2020-09-24" = "13";
    "2021-09-30" = "14";
    "2022-10-13" = "15";
    "2023-09-14" = "16";
    "2024-09-26" = "17";
  };
in
{
  migrations.postgresql = lib.mkIf cfg.enable {
    inherit (cfg) package;
    serviceConfig.User = "postgres";

    detect = ''
      case $(cat "$STATE_DIRECTORIES"/*/PG_VERSION 2> /dev/null | sort -n | tail -n 1) in
      ${lib.concatStrings (lib.mapAttrsToList (day: major: "  ${major}) echo ${day} ;;\n") majors)}esac
    '';

    steps = lib.mapAttrs (_: step) majors;
  };
}
