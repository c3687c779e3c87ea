# A step that fails and whose restore fails too: nothing starts, nothing more is touched, the backup is kept, and `resume`
# brings the state back when its cause is gone.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-failing";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];

    generations.two.services.shelf.version = 2;
    generations.broken =
      { lib, ... }:
      {
        services.shelf.version = 3;
        migrations.shelf.steps."2024-03-01".up = {
          script = lib.mkForce ''
            rm "$STATE_DIRECTORIES/items"
            echo "the pencil broke" >&2
            exit 1
          '';
          backup = ''cp -a "$STATE_DIRECTORIES/." "$BACKUP"'';
          restore = ''
            test -e /var/lib/eraser
            cp -a "$BACKUP/." "$STATE_DIRECTORIES"
          '';
        };
      };

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      assert generation == "two"
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == "book\n", found
    '';

    script = ''
      def is_stuck() -> None:
          are_down()
          assert status()["state"] == "failed", status()
          for backup in status()["backups"]:
              machine.succeed(f"grep -r book {backup['directory']}")
          assert len(status()["backups"]) == 1, status()
          machine.fail("test -e /var/lib/shelf/items")


      switch("two")
      wait_for_units()
      seed()

      with subtest("what was lost stays lost, and the backup is kept"):
          out = switch_fails("broken")
          is_stuck()
          assert "the pencil broke" in machine.succeed("journalctl --unit migrate-shelf.service"), out

      with subtest("no other generation starts on it"):
          switch_fails("two", status=1)
          switch_fails("two", environment="NIXOS_NO_CHECK=1")
          is_stuck()
          machine.reboot()
          machine.wait_for_unit("multi-user.target")
          is_stuck()

      with subtest("resume brings it back, and starts what was held"):
          machine.fail("nixmig resume shelf --restore")
          is_stuck()
          machine.succeed("touch /var/lib/eraser")
          machine.succeed("nixmig resume shelf --restore")
          machine.wait_until_succeeds("systemctl is-active shelf.service", timeout=10)
          arrives("two")
    '';
  };
}
