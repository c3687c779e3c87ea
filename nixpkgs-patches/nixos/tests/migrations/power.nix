# The power goes at named points of a step, on the way up and on the way back: after the next boot the service runs on all data.
# Needs a nixmig with the feature `faults`.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-power";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];
    generations.one.services.shelf.version = 1;
    generations.three.services.shelf.version = 3;

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items", "sync")
    '';

    check = ''
      marks = {"one": "", "three": " ^2 ^3"}[generation]
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';

    script = ''
      def loses_power(generation: str, point: str) -> None:
          """Switches, and takes the power away when the walk comes to the point."""
          install(generation)
          machine.succeed(f"systemctl set-environment NIXMIG_FAULT={point}:wait NIXMIG_FAULT_AT=/run/reached")
          machine.succeed(f"systemd-run --collect --unit=switch {command(generation)}")
          machine.wait_for_file("/run/reached", timeout=60)
          machine.crash()
          machine.start()
          arrives(generation)
          assert running() == generation, running()


      switch("one")
      wait_for_units()
      seed()

      for up, down in [
          ("run-begun", "state-flushed"),
          ("backup-written", "backup-half"),
          ("state-flushed", "step-finished"),
      ]:
          with subtest(f"up, at {up}"):
              loses_power("three", up)
          with subtest(f"down, at {down}"):
              loses_power("one", down)
    '';
  };
}
