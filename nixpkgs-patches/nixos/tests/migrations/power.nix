# The power goes at named points of a step, on the way up and on the way back: after the next boot the service runs on all data.
# State and record are on disks of their own, so that neither is flushed with the other, and the kernel may have written back one of
# them of its own accord. Needs a nixmig with the feature `faults`.
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/marks.nix
  ];
  name = "migrations-power";

  migrations = {
    base.virtualisation = {
      emptyDiskImages = [ 256 ];
      fileSystems."/var/lib/shelf" = {
        device = "/dev/vdb";
        fsType = "ext4";
        autoFormat = true;
      };
    };

    seed = ''
      machine.succeed("sync")
    '';

    script = ''
      from typing import Optional

      state = "/var/lib/shelf"
      record = "/var/lib/nixmig"


      def loses_power(generation: str, point: str, written: Optional[str], environment: str = "") -> None:
          """
          Switches, and takes the power away when the walk comes to the point, and nothing else was
          written back but one of the disks; comes back when the generation has booted.
          """
          install(generation)
          machine.succeed(
              f"systemctl set-environment NIXMIG_FAULT={point}:wait NIXMIG_FAULT_AT=/run/reached {environment}"
          )
          machine.succeed(f"systemd-run --collect --unit=switch {command(generation)}")
          machine.wait_for_file("/run/reached", timeout=60)
          if written is not None:
              machine.succeed(f"sync -f {written}")
          machine.crash()
          machine.start()
          machine.wait_for_unit("multi-user.target")
          assert running() == generation, running()


      def version() -> str:
          return machine.succeed(f"cat {state}/version").strip()


      switch("one")
      wait_for_units()
      seed()

      for up, down, written in [
          ("run-begun", "state-flushed", state),
          ("backup-written", "backup-half", record),
          ("script-ended", "backup-made", None),
          ("state-flushed", "step-finished", None),
          ("step-finished", "run-ended", record),
      ]:
          with subtest(f"up, at {up}, {written} written back"):
              loses_power("three", up, written)
              arrives("three")
          with subtest(f"down, at {down}, {written} written back"):
              loses_power("one", down, written)
              arrives("one")

      # What was seen above proves something only where it is not so without flushes.
      without = "NIXMIG_FAULT_NO_FLUSH=1"
      with subtest("without flushes the record is ahead of the state, and the service stays down"):
          loses_power("three", "step-finished", record, without)
          assert [version(), applied()[-1]] == ["1", "2024-02-01"], [version(), applied()]
          are_down()
          machine.succeed("nixmig resume shelf --accept 2024-01-01")
          arrives("three")
          switch("one")
          arrives("one")

      with subtest("without flushes the state is ahead of the record, and the service stays down"):
          loses_power("three", "run-ended", state, without)
          assert [version(), applied()[-1]] == ["3", "2024-01-01"], [version(), applied()]
          are_down()
    '';
  };
}
