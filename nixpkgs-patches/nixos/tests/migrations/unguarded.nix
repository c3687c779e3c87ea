# Where nobody can write to /etc, no guard is possible: nothing is migrated while a generation could be started that knows nothing of
# it, unless somebody accepts that.
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/unaware.nix
  ];
  name = "migrations-unguarded";

  migrations = {
    base.system.etc.overlay = {
      enable = true;
      mutable = false;
    };

    script = ''
      install("three")
      switch("bare")
      wait_for_units()
      seed()

      with subtest("the check refuses, and without it the gate does"):
          out = switch_fails("two", status=1)
          assert "no guard is possible" in out, out
          arrives("bare")
          switch_fails("two", environment="NIXOS_NO_CHECK=1")
          are_down()
          found = machine.succeed("cat /var/lib/shelf/items")
          assert found == "book\n", found
          said = machine.succeed("journalctl --unit migrate-shelf.service --output cat")
          assert "no guard can keep it from that" in said, said
          assert "no guard is possible" in machine.succeed("nixmig status")
          switch("bare")
          arrives("bare")

      with subtest("accepted, it is migrated before the switch"):
          machine.succeed(f"nixmig migrate {toplevels['two']} --stop --unguarded")
          are_down()
          switch("two")
          arrives("two")

      with subtest("where every generation has a gate, no guard is needed"):
          switch_fails("three", status=1)
          arrives("two")
          switch("two", "boot")
          machine.reboot()
          arrives("two")
          collect("bare")
          switch("three")
          arrives("three")
          switch("two")
          arrives("two")
    '';
  };
}
