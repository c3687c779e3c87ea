# Several nixmigs at once: one began a path and is killed, while two others wait, one for the same generation and one for another. The
# steps go on without the first, and what is wanted of the others is done when they are over, each on what it then finds.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-waiting";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];

    generations.one.services.shelf.version = 1;
    generations.two.services.shelf.version = 2;
    generations.three =
      { lib, ... }:
      {
        services.shelf.version = 3;
        # Waits in mid-step as long as it is told to.
        migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
          cd "$STATE_DIRECTORIES"
          [ "$(cat version)" = 1 ]
          echo half-way > version
          if [ -e /run/pause ]; then
            touch /run/reached
            while [ -e /run/pause ]; do sleep 0.1; done
          fi
          sed -i 's/$/ ^2/' items
          echo 2 > version
        '';
      };

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = {"one": "book", "two": "book ^2", "three": "book ^2 ^3"}
      found = machine.succeed("cat /var/lib/shelf/items").strip()
      assert found == marks[generation], found
    '';

    script = ''
      wanted = {"first": "three", "same": "three", "other": "two"}


      def begins(who: str) -> None:
          """Somebody who migrates by hand, in a unit that stays when it has failed."""
          machine.succeed(
              f"systemd-run --unit={who} --remain-after-exit nixmig migrate {toplevels[wanted[who]]} --stop"
          )


      def state(who: str) -> str:
          return machine.get_unit_property(f"{who}.service", "SubState")


      def wait_together() -> None:
          """The first is in mid-step, and the two others wait for it."""
          machine.succeed("rm -f /run/reached; touch /run/pause")
          begins("first")
          machine.wait_for_file("/run/reached")
          for who in ["same", "other"]:
              begins(who)
              machine.wait_until_succeeds(f"journalctl --unit={who} | grep -i waiting")
          assert [state(who) for who in wanted] == ["running"] * 3, wanted


      def all_end() -> None:
          """
          Both have what they wanted, one after the other, and the shelf is as the last of them left it,
          and held for its generation; the one that is active has it back when somebody says so.
          """
          for who in ["same", "other"]:
              machine.wait_until_succeeds(f"systemctl show --property=SubState {who} | grep -v running")
              assert state(who) == "exited", machine.succeed(f"journalctl --unit={who}")
          version = machine.succeed("cat /var/lib/shelf/version").strip()
          days = ["2024-01-01", "2024-02-01", "2024-03-01"]
          assert version in ["2", "3"], version
          assert applied() == days[: int(version)], applied()
          check({"2": "two", "3": "three"}[version])
          are_down()
          machine.succeed("nixmig migrate")
          arrives("one")
          machine.succeed("systemctl stop first same other", "systemctl reset-failed first same other || true")


      switch("one")
      wait_for_units()
      seed()
      for generation in ["two", "three"]:
          install(generation)

      with subtest("the first is killed, and its steps go on"):
          wait_together()
          machine.succeed("systemctl kill --signal=KILL first.service")
          machine.wait_until_fails("systemctl show --property=SubState first | grep running")
          assert [state("same"), state("other")] == ["running"] * 2
          machine.succeed("rm /run/pause")
          all_end()
          said = machine.succeed("journalctl --unit='migrate-shelf-*' --output=cat")
          assert said.count("up 2024-02-01: finished") == 1, said

      with subtest("the first and its step are killed: one of the others brings the state back, and begins anew"):
          wait_together()
          machine.succeed("systemctl kill --signal=KILL first.service 'migrate-shelf-*-1.service'", "rm /run/pause")
          all_end()
    '';
  };
}
