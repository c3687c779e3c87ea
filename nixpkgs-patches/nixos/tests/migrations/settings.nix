# Scripts with settings that only systemd follows: they run as units of their own, end with their step, and are waited for.
let
  settings = {
    migrations.shelf.serviceConfig = {
      User = "nobody";
      LoadCredential = [ "secret:/var/lib/secret" ];
      ProtectSystem = "strict";
      Nice = 3;
    };
    systemd.services.shelf.serviceConfig.User = "nobody";
  };
in
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-settings";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];

    generations.one = {
      imports = [ settings ];
      services.shelf.version = 1;
    };
    generations.two =
      { lib, ... }:
      {
        imports = [ settings ];
        services.shelf.version = 2;
        migrations.shelf.steps."2024-02-01".up = {
          script = lib.mkForce ''
            [ "$(cat "$CREDENTIALS_DIRECTORY/secret")" = hush ]
            [ -O "$BACKUP" ]
            if touch /usr/written; then exit 1; fi
            cd "$STATE_DIRECTORIES"
            [ "$(cat version)" = 1 ]
            echo half-way > version
            (trap "" TERM; sleep 1000) &
            if [ -e /var/lib/stand ]; then
              touch "$BACKUP/reached"
              sleep 1000
            fi
            sed -i 's/$/ ^2/' items
            echo 2 > version
          '';
          backup = ''cp -a "$STATE_DIRECTORIES/." "$BACKUP"'';
          restore = ''
            touch "$STATE_DIRECTORIES/restoring"
            while [ -e /var/lib/slow ]; do sleep 0.1; done
            rm "$STATE_DIRECTORIES/restoring"
            cp "$BACKUP/items" "$BACKUP/version" "$STATE_DIRECTORIES"
          '';
        };
      };

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"one": "book", "two": "book ^2"}
      found = machine.succeed("cat /var/lib/shelf/items").strip()
      assert found == marks[generation], found
    '';

    script = ''
      def stands() -> None:
          """Begins a switch whose script stands still."""
          machine.succeed("touch /var/lib/stand")
          install("two")
          machine.succeed(f"systemd-run --collect --unit=switch {command('two')}")
          machine.wait_until_succeeds("find /var/lib -name reached | grep .")


      def is_back() -> None:
          machine.wait_until_fails("systemctl is-active switch.service")
          machine.wait_until_fails("systemctl list-units --no-legend 'migrate-shelf-*-script-*' | grep .")
          machine.fail("pgrep -f '[s]leep 1000'")
          assert machine.succeed("cat /var/lib/shelf/version").strip() == "1"
          switch("one")
          arrives("one")


      machine.succeed("echo hush > /var/lib/secret")
      switch("one")
      wait_for_units()
      seed()

      with subtest("the settings are followed, and what a script leaves behind is ended"):
          switch("two")
          arrives("two")
          machine.fail("pgrep -f '[s]leep 1000'")
          switch("one")
          arrives("one")

      with subtest("a step that is stopped ends its script, and brings the state back"):
          stands()
          machine.succeed("systemctl stop 'migrate-shelf-????????????????-1.service'")
          is_back()

      with subtest("a step that is killed takes its script with it, before anybody brings the state back"):
          stands()
          machine.succeed("systemctl kill --signal=KILL 'migrate-shelf-????????????????-1.service'")
          is_back()

      with subtest("a restore comes to its end though the bus goes away, and is not done before"):
          stands()
          machine.succeed("touch /var/lib/slow")
          machine.succeed("systemctl stop --no-block 'migrate-shelf-????????????????-1.service'")
          machine.wait_for_file("/var/lib/shelf/restoring")
          machine.succeed("systemctl kill --signal=KILL dbus.service")
          machine.wait_until_fails("pgrep -x systemd-run")
          machine.succeed("sleep 5")
          machine.succeed("systemctl list-units --no-legend 'migrate-shelf-*-script-*' | grep .")
          machine.succeed("find /var/lib -name reached | grep .")
          machine.succeed("rm /var/lib/slow")
          is_back()

      with subtest("a script that somebody ends from outside has not ended well"):
          stands()
          machine.succeed("systemctl kill --signal=TERM 'migrate-shelf-*-script-*'")
          is_back()
          machine.succeed("nixmig resume shelf --retry")

      with subtest("when nothing is in its way, it arrives"):
          machine.succeed("rm /var/lib/stand")
          switch("two")
          arrives("two")
    '';
  };
}
