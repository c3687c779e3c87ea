# Gates on a real systemd: units that run beneath one, that wait for one, and that are started by others than a switch.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-gates";

  migrations = {
    service = "shelf";
    walk = false;
    base =
      { config, lib, ... }:
      {
        imports = [ ./common/shelf.nix ];
        config = lib.mkIf (config.services.shelf.version != null) {
          # One more unit of the same state, which no target wants.
          migrations.shelf.requiredBy = [
            "shelf.service"
            "shelf-reader.service"
          ];
          systemd.services.shelf.serviceConfig = {
            Restart = "always";
            RestartSec = "100ms";
          };
          systemd.services.shelf-reader = {
            description = "Reads what is on the shelf";
            serviceConfig.ExecStart = "/bin/sleep infinity";
          };
        };
      };
    generations = {
      old.services.shelf.version = 1;
      new.services.shelf.version = 2;
      broken = {
        services.shelf.version = 2;
        imports = [
          (
            { lib, ... }:
            {
              migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
                echo half-way > "$STATE_DIRECTORIES/version"
                echo "no room on the shelf" >&2
                exit 1
              '';
            }
          )
        ];
      };
    };

    script = ''
      def version() -> str:
          return machine.succeed("cat /var/lib/shelf/version").strip()


      def said(unit: str) -> str:
          return machine.succeed(f"journalctl --output=cat --unit={unit}")


      switch("old")
      wait_for_units()
      machine.succeed("systemctl start shelf-reader")

      with subtest("a gate that fails keeps down what would restart by itself, and says what to type"):
          switch_fails("broken")
          are_down()
          machine.fail("systemctl is-active shelf-reader")
          assert version() == "1", version()
          print(machine.execute("systemctl status --no-pager migrate-shelf.service")[1])
          print(machine.execute("systemctl status --no-pager shelf.service")[1])
          print(machine.execute("nixmig status")[1])

      with subtest("back on the old generation everything runs again"):
          print(switch("old"))
          wait_for_units()
          print(machine.execute("nixmig status")[1])
          machine.wait_for_unit("shelf-reader.service")

      with subtest("killed, it restarts through its gate"):
          pid = machine.get_unit_property("shelf.service", "MainPID")
          machine.succeed(f"kill -KILL {pid}")
          machine.wait_until_succeeds(
              f"systemctl show -P MainPID shelf.service | grep -vx -e 0 -e {pid}"
          )
          wait_for_units()

      with subtest("one of two units runs beneath a walk: it is stopped, and started again"):
          machine.succeed("systemctl stop shelf.service", "systemctl start shelf-reader")
          switch("new")
          wait_for_units()
          machine.wait_for_unit("shelf-reader.service")
          assert version() == "2", version()
    '';
  };
}
