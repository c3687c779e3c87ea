# Steps as units of their own: whatever is killed, read again, executed again or switched off in the middle of a path, the
# service starts only on a shelf of its own version.
let
  # Waits in mid-step where it is told to.
  pause = day: ''
    if [ -e /run/pause/${day} ]; then
      : > /run/pause/reached
      while [ -e /run/pause/${day} ]; do sleep 0.1; done
    fi
  '';
in
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/marks.nix
  ];
  name = "migrations-chain";

  migrations = {
    generations.three =
      { lib, ... }:
      {
        migrations.shelf.steps = {
          "2024-02-01".up.script = lib.mkForce ''
            cd "$STATE_DIRECTORIES"
            [ "$(cat version)" = 1 ]
            echo half-way > version
            ${pause "2024-02-01"}
            sed -i 's/$/ ^2/' items
            echo 2 > version
          '';
          "2024-03-01".up = {
            script = lib.mkForce ''
              cd "$STATE_DIRECTORIES"
              [ "$(cat version)" = 2 ]
              echo half-way > version
              ${pause "2024-03-01"}
              sed -i 's/$/ ^3/' items
              echo 3 > version
            '';
            backup = ''cp -a "$STATE_DIRECTORIES/." "$BACKUP"'';
            # Longer than systemd gives any unit to stop.
            restore = ''
              if [ -e /var/lib/slowly ]; then sleep 100; fi
              cp -a "$BACKUP/." "$STATE_DIRECTORIES"
              echo restored >> /var/lib/restored
            '';
          };
        };
      };

    script = ''
      def pauses(day: str) -> None:
          """Begins a switch to the third version that stands still in mid-step."""
          machine.succeed(f"mkdir -p -m 1777 /run/pause; rm -f /run/pause/*; touch /run/pause/{day}")
          install("three")
          machine.succeed(f"systemd-run --collect --unit=switch {command('three')}")
          machine.wait_for_file("/run/pause/reached")


      def goes_on() -> None:
          machine.succeed("rm /run/pause/2*")


      def steps() -> Dict[str, str]:
          """The steps that are loaded, each by its number with its state."""
          units = machine.succeed(
              "systemctl list-units --all --plain --no-legend --full 'migrate-shelf-*-*.service'"
          ).splitlines()
          states = [unit.split()[:4] for unit in units]
          return {name.removesuffix(".service").rsplit("-", 1)[1]: active for name, _, active, _ in states}


      # The second is there before its turn.
      WAITS = {"1": "active", "2": "activating"}


      def is_over() -> None:
          alive = "systemctl list-units --all --plain --no-legend 'migrate-shelf-*-*.service' | grep -E ' (de)?activ(e|ating) '"
          machine.wait_until_fails(alive)
          machine.wait_until_fails("systemctl is-active switch.service")


      def wait_until_both_are_there() -> None:
          """Until the second step waits for the lock that the first has."""
          for _ in range(100):
              if steps() == WAITS:
                  break
              machine.sleep(0.1)
          else:
              assert steps() == WAITS, steps()
          lock = machine.succeed("stat --format=%i /var/lib/nixmig/locks/shelf.lock").strip()
          machine.wait_until_succeeds(f"grep -E '^[0-9]+: -> FLOCK .*:{lock} ' /proc/locks")


      machine.succeed("rm -f /var/lib/slowly")
      switch("one")
      wait_for_units()
      seed()
      check("one")

      with subtest("systemd reads its units and executes itself again in mid-chain"):
          pauses("2024-02-01")
          wait_until_both_are_there()
          are_down()
          machine.succeed("systemctl daemon-reload", "systemctl daemon-reexec")
          assert steps() == WAITS, steps()

      with subtest("a run whose steps are queued is said to go on, also where nobody is seen to have the lock"):
          machine.succeed("mkdir /run/no-locks")
          unseen = "unshare --mount sh -c 'mount --bind /run/no-locks /var/lib/nixmig/locks && exec nixmig $*' sh"
          for command_line in ["status", "plan", "resume shelf"]:
              said = machine.succeed(f"{unseen} {command_line} 2>&1")
              assert "shelf  running" in said or "goes on right now" in said or "is under way" in said, said
              assert "never reported" not in said, said
          goes_on()
          arrives("three")
          is_over()
          switch("one")
          arrives("one")

      with subtest("the gate is killed, and the chain goes on; the next one waits for it"):
          pauses("2024-02-01")
          machine.succeed("systemctl kill --signal=KILL migrate-shelf.service")
          machine.wait_until_fails("systemctl is-active switch.service")
          are_down()
          assert steps() == WAITS, steps()
          machine.succeed("systemctl start --no-block shelf.service")
          machine.sleep(1)
          are_down()
          goes_on()
          arrives("three")
          switch("one")
          arrives("one")

      with subtest("a step is killed while the next one waits for it: that one touches nothing, and does not look as if it had failed"):
          pauses("2024-02-01")
          wait_until_both_are_there()
          machine.succeed("systemctl kill --signal=KILL 'migrate-shelf-*-1.service'", "rm -f /run/pause/*")
          machine.wait_until_fails("systemctl is-active switch.service")
          is_over()
          said = machine.succeed("journalctl --output=cat --unit='migrate-shelf-*-2.service'")
          assert "shelf: step 2 was not begun: " in said, said
          assert steps().get("2", "inactive") != "failed", steps()
          switch("one")
          arrives("one")

      with subtest("a step is stopped while the next one waits for it: what it did is brought back, and the next one is called off"):
          pauses("2024-02-01")
          wait_until_both_are_there()
          machine.succeed("systemctl stop 'migrate-shelf-*-1.service'")
          machine.wait_until_fails("systemctl is-active switch.service")
          is_over()
          assert machine.succeed("cat /var/lib/shelf/version").strip() == "1"
          assert "told to end before its turn came" in machine.succeed(
              "journalctl --output=cat --unit='migrate-shelf-*-2.service'"
          )
          assert steps().get("2", "inactive") != "failed", steps()
          machine.succeed("rm -f /run/pause/*")
          switch("one")
          arrives("one")

      with subtest("a step is killed: what the run did is brought back, and the service stays down"):
          pauses("2024-03-01")
          machine.succeed("systemctl kill --signal=KILL 'migrate-shelf-*-2.service'")
          is_over()
          assert machine.succeed("cat /var/lib/shelf/version").strip() in ["1", "3"]
          machine.succeed("rm -f /run/pause/*")
          switch("one")
          arrives("one")

      with subtest("somebody waits by hand, and goes: how to watch is said, and the chain goes on"):
          machine.succeed("systemctl stop shelf.service")
          machine.succeed("rm -f /run/pause/*; touch /run/pause/2024-02-01")
          machine.succeed(
              "systemd-run --collect --unit=hand --property=StandardError=file:/tmp/said"
              f" nixmig migrate {toplevels['three']} --stop"
          )
          machine.wait_for_file("/run/pause/reached")
          machine.succeed("systemctl kill --signal=INT hand.service")
          machine.wait_until_fails("systemctl is-active hand.service")
          said = machine.succeed("cat /tmp/said")
          assert "journalctl -fu 'migrate-shelf-" in said, said
          goes_on()
          is_over()
          assert applied() == ["2024-01-01", "2024-02-01", "2024-03-01"], applied()
          switch("three")
          arrives("three")
          switch("one")
          arrives("one")

      with subtest("power off in mid-step: a restore takes the time that it takes"):
          machine.succeed("touch /var/lib/slowly; rm -f /var/lib/restored")
          pauses("2024-03-01")
          machine.shutdown()
          machine.start()
          machine.succeed("rm /var/lib/slowly")
          assert machine.succeed("cat /var/lib/restored").split() == ["restored"]
          arrives("three")
          assert running() == "three", running()
          switch("one")
          arrives("one")
    '';
  };
}
