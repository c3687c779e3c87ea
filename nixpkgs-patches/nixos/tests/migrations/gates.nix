# Gates on a real systemd: units that run beneath one, that wait for one, and that are started by others than a switch; a second
# switch in mid-step.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-gates";

  migrations = {
    service = "shelf";
    units = [ "shelf.service" ] ++ map (n: "shelf-reader-${toString n}.service") (builtins.genList (n: n) 9);
    walk = false;

    base =
      { config, lib, ... }:
      let
        readers = lib.genList (n: "shelf-reader-${toString n}") 9;
      in
      {
        imports = [ ./common/shelf.nix ];
        options.patience = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether there is a unit that a switch leaves running.";
        };
        config = lib.mkIf (config.services.shelf.version != null) {
          # Ten units behind one gate.
          migrations.shelf.requiredBy = map (name: "${name}.service") (
            [ "shelf" ] ++ readers ++ lib.optional config.patience "shelf-patient"
          );
          systemd.services = {
            shelf.serviceConfig = {
              Restart = "always";
              RestartSec = "100ms";
            };
            shelf-patient = lib.mkIf config.patience {
              restartIfChanged = false;
              wantedBy = [ "multi-user.target" ];
              serviceConfig.ExecStart = "/bin/sleep infinity";
            };
          }
          // lib.genAttrs readers (_: {
            wantedBy = [ "multi-user.target" ];
            serviceConfig.ExecStart = "/bin/sleep infinity";
          });
        };
      };

    generations = {
      old.services.shelf.version = 1;
      new.services.shelf.version = 2;
      patient = {
        services.shelf.version = 1;
        patience = true;
      };
      new-patient = {
        services.shelf.version = 2;
        patience = true;
      };
      # The one shelf breaks, and the other does not.
      broken =
        { lib, ... }:
        {
          services.shelf.version = 2;
          services.shelves.box.version = 2;
          migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
            echo half-way > "$STATE_DIRECTORIES/version"
            echo "no room on the shelf" >&2
            exit 1
          '';
        };
      both = {
        services.shelf.version = 1;
        services.shelves.box.version = 1;
      };
      slow =
        { lib, ... }:
        {
          services.shelf.version = 2;
          migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
            cd "$STATE_DIRECTORIES"
            echo half-way > version
            touch /run/reached
            until [ -e /run/go ]; do sleep 0.1; done
            echo 2 > version
          '';
        };
    };

    script = ''
      def version(shelf: str = "shelf") -> str:
          return machine.succeed(f"cat /var/lib/{shelf}/version").strip()


      def said(unit: str) -> str:
          """What the journal has of a unit since the last time."""
          machine.succeed("journalctl --sync")
          return machine.succeed(
              f"journalctl --output=cat --unit={unit} --cursor-file=/run/cursor-{unit} --no-pager"
          )


      with subtest("ten units start at once behind one gate"):
          switch("both")
          wait_for_units()
          assert version() == "1", version()
          said("migrate-shelf.service")

      with subtest("what would restart by itself stays down behind a gate that failed, and the other service arrives"):
          out = switch_fails("broken")
          are_down()
          machine.wait_for_unit("box.service")
          assert [version(), version("box")] == ["1", "2"], out
          # Its own restart comes no further.
          machine.sleep(0.5)
          are_down()

      with subtest("all that is held is named, and the last words are kept"):
          held = ", ".join(sorted(units))
          assert f"shelf: held back: {held}." in said("migrate-shelf.service"), held
          assert "no room on the shelf" in machine.succeed("nixmig history shelf --output")

      with subtest("resume without a decision starts nothing"):
          machine.fail("nixmig resume shelf")
          machine.fail("systemctl start shelf.service")
          are_down()

      with subtest("back on a generation that fits, all run again"):
          switch("old")
          wait_for_units()
          assert status()["held"] == [], status()

      with subtest("killed, it restarts through its gate"):
          pid = machine.get_unit_property("shelf.service", "MainPID")
          machine.succeed(f"kill -KILL {pid}")
          machine.wait_until_succeeds(
              f"systemctl show -P MainPID shelf.service | grep -vx -e 0 -e {pid}"
          )
          wait_for_units()

      with subtest("one of two units runs beneath a walk: it is stopped, and started again"):
          machine.succeed("systemctl stop 'shelf*.service'", "systemctl start shelf-reader-0")
          machine.succeed(f"ln -sfn {toplevels['new']} /run/current-system")
          machine.succeed(f"ln -sfn {toplevels['new']}/etc/systemd/system /etc/systemd/system")
          machine.succeed("systemctl daemon-reload")
          pid = machine.get_unit_property("shelf-reader-0.service", "MainPID")
          machine.succeed("systemctl start shelf.service")
          assert version() == "2", version()
          machine.wait_for_unit("shelf-reader-0.service")
          assert machine.get_unit_property("shelf-reader-0.service", "MainPID") != pid

      with subtest("a gate that systemd still has of another generation refuses"):
          switch("old")
          wait_for_units()
          machine.succeed("systemctl stop shelf.service")
          machine.succeed(f"ln -sfn {toplevels['new']} /run/current-system")
          said("migrate-shelf.service")
          machine.fail("systemctl start shelf.service")
          assert "another generation" in said("migrate-shelf.service")
          assert version() == "1", version()
          switch("new")
          wait_for_units()
          assert version() == "2", version()

      with subtest("a second switch in mid-step: the gate follows it"):
          switch("old")
          wait_for_units()
          install("slow")
          machine.succeed(f"systemd-run --collect --unit=first {command('slow')}")
          machine.wait_for_file("/run/reached")
          machine.succeed("systemctl kill --signal=KILL first.service")
          machine.succeed("systemd-run --collect --on-active=2 touch /run/go")
          switch("old")
          wait_for_units()
          assert version() == "1", version()
          assert applied() == ["2024-01-01"], applied()

      with subtest("a unit that a switch leaves running is not stopped for another"):
          switch("patient")
          wait_for_units()
          pid = machine.get_unit_property("shelf-patient.service", "MainPID")
          switch_fails("new-patient")
          are_down()
          assert machine.get_unit_property("shelf-patient.service", "MainPID") == pid
          assert version() == "1", version()
          assert "systemctl restart shelf-patient.service" in said("migrate-shelf.service")
          machine.succeed("systemctl restart shelf-patient.service")
          wait_for_units()
          assert version() == "2", version()

      with subtest("by hand, ahead of a switch"):
          machine.fail(f"nixmig migrate {toplevels['old']}")
          assert version() == "2", version()
          machine.succeed("systemctl stop shelf-patient.service")
          machine.succeed(f"nixmig migrate {toplevels['old']} --stop")
          assert version() == "1", version()
          are_down()
          machine.fail("systemctl start shelf.service")
          assert version() == "1", version()
          switch("old")
          wait_for_units()
    '';
  };
}
