# A service that needs a database, both with ways down: a rollback by a switch goes against the order in which gates start, so it
# is refused, and what the gate says to type walks it.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-order";

  migrations = {
    service = "web";
    units = [
      "db.service"
      "web.service"
    ];
    walk = false;

    base =
      {
        config,
        lib,
        pkgs,
        ...
      }:
      {
        imports = [ ./common/shelves.nix ];
        config = lib.mkIf (config.services.shelves ? web) {
          systemd.services.web = {
            requires = [ "db.service" ];
            after = [ "db.service" ];
          };
          migrations.web = {
            requires = [ "db.service" ];
            path = [ pkgs.systemd ];
          };
        };
      };

    generations.old.services.shelves = {
      db.version = 1;
      web.version = 1;
    };
    generations.new =
      { lib, ... }:
      {
        services.shelves = {
          db.version = 2;
          web.version = 2;
        };
        # Both ways need the new database.
        migrations.web.steps."2024-02-01" = {
          up.script = lib.mkForce ''
            systemctl is-active --quiet db.service
            [ "$(cat /var/lib/db/version)" = 2 ]
            echo 2 > "$STATE_DIRECTORIES/version"
          '';
          down.script = lib.mkForce ''
            systemctl is-active --quiet db.service
            [ "$(cat /var/lib/db/version)" = 2 ]
            echo 1 > "$STATE_DIRECTORIES/version"
          '';
        };
      };

    script = ''
      import re


      def versions() -> List[str]:
          return machine.succeed("cat /var/lib/db/version /var/lib/web/version").split()


      switch("old")
      wait_for_units()
      assert versions() == ["1", "1"], versions()

      with subtest("up, the database first"):
          switch("new")
          wait_for_units()
          assert versions() == ["2", "2"], versions()

      with subtest("a rollback by a switch is refused, and nothing is touched"):
          switch_fails("old")
          are_down()
          assert versions() == ["2", "2"], versions()

      with subtest("what the gate says to type walks it"):
          machine.succeed("journalctl --sync")
          told = machine.succeed("journalctl --output=cat --unit=migrate-db.service")
          last = [line for line in told.splitlines() if "next:" in line][-1]
          back, down, forth = re.findall(r"`([^`]*)`", last)
          machine.succeed(back)
          wait_for_units()
          assert versions() == ["2", "2"], versions()
          machine.succeed(down)
          are_down()
          assert versions() == ["1", "1"], versions()
          machine.fail("systemctl start web.service")
          assert versions() == ["1", "1"], versions()
          machine.succeed(forth)
          wait_for_units()
          assert versions() == ["1", "1"], versions()

      with subtest("and up again by hand, as far as that goes"):
          machine.succeed("systemctl stop web.service")
          status_, out = machine.execute(f"nixmig migrate {toplevels['new']} --stop 2>&1")
          assert status_ == 4 and "db.service" in out, out
          assert versions() == ["2", "1"], versions()
          switch("new")
          wait_for_units()
          assert versions() == ["2", "2"], versions()
    '';
  };
}
