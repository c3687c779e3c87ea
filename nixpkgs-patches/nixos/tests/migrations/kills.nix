# nixmig killed at points in the middle of steps that are units, and of what it does around them: the service never starts but on a
# shelf of its own version, and once nothing kills any more, both ways are walked. Needs a nixmig that can be told to die.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-kills";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];

    generations.one.services.shelf.version = 1;
    generations.three.services.shelf.version = 3;

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"one": "book", "three": "book ^2 ^3"}
      found = machine.succeed("cat /var/lib/shelf/items").strip()
      assert found == marks[generation], found
    '';

    script = ''
      points = [
          "run-begun",
          "step-begun",
          "backup-half",
          "backup-made",
          "script-begun",
          "script-ended",
          "verified",
          "stamp-written",
          "state-flushed",
          "step-finished",
          "backup-dropped",
          "run-ended",
      ]

      switch("one")
      wait_for_units()
      seed()
      check("one")
      for point in points:
          with subtest(f"killed at {point}"):
              machine.succeed(f"systemctl set-environment NIXMIG_FAULT={point}:kill")
              install("three")
              machine.execute(command("three") + " 2>&1")
              version = machine.succeed("cat /var/lib/shelf/version").strip()
              up = machine.execute("systemctl is-active shelf.service")[0] == 0
              assert not up or version == "3", version
              machine.succeed("systemctl unset-environment NIXMIG_FAULT")
              switch("three")
              arrives("three")
              switch("one")
              arrives("one")
      machine.succeed("journalctl --no-pager | grep 'migrate-shelf-.*status=9/KILL'")

      with subtest("as if the power had failed, too"):
          for point in ["backup-made", "script-ended", "step-finished"]:
              machine.succeed(f"systemctl set-environment NIXMIG_FAULT={point}:wait NIXMIG_FAULT_AT=/run/waits")
              install("three")
              machine.succeed(f"systemd-run --collect --unit=switch {command('three')}")
              machine.wait_for_file("/run/waits")
              machine.crash()
              machine.start()
              arrives("three")
              switch("one")
              arrives("one")
    '';
  };
}
