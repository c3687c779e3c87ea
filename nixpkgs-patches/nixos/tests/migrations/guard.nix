# Generations that have no gate of a service, or one of a nixmig of before: the guard walks the way back for them, or keeps the
# service down, and goes when none of them can be booted any more.
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/unaware.nix
  ];
  name = "migrations-guard";

  migrations = {
    # Its gate lets everything pass.
    generations.older =
      { lib, ... }:
      {
        services.shelves.shelf.version = 2;
        systemd.units."migrate-shelf.service".text = lib.mkForce ''
          [Unit]
          X-Migration-Format=0
          X-Migration-Service=shelf

          [Service]
          Type=oneshot
          ExecStart=/bin/sh -c true
        '';
      };

    script = ''
      guard = "/etc/systemd/system.control/nixmig-guard-shelf.service"
      kept = "/var/lib/nixmig/bin/nixmig"


      machine.succeed(f"ln -s {toplevels['bare']} /nix/var/nix/gcroots/bare")
      install("older")
      switch("bare")
      wait_for_units()
      seed()

      with subtest("before the first step there is a guard, and systemd knows it"):
          machine.fail(f"test -e {guard}")
          switch("three")
          arrives("three")
          machine.succeed(f"test -e {guard}")
          assert "nixmig-guard-shelf.service" in machine.get_unit_property("shelf.service", "Requires")
          assert machine.get_unit_property("shelf.service", "NeedDaemonReload") == "no"

      with subtest("it walks the way back for the boot menu's choice, and the next boot leads up again"):
          boot_menu("bare")
          arrives("bare")
          machine.reboot()
          arrives("three")
          assert running() == "three", running()

      with subtest("so it does for a switch, also when the newer generation is gone"):
          switch("bare")
          arrives("bare")
          switch("two")
          arrives("two")
          switch("three")
          arrives("three")
          switch("bare", "boot")
          collect("three")
          machine.reboot()
          arrives("bare")

      with subtest("a gate of a nixmig of before does not start the service on what it does not know"):
          switch("three")
          arrives("three")
          boot_menu("older")
          are_down()
          found = machine.succeed("cat /var/lib/shelf/items")
          assert found == "book ^2 ^3\n", found
          said = machine.succeed("journalctl --boot --unit nixmig-guard-shelf.service --output cat")
          assert "shelf may not start" in said, said
          assert kept in said, said
          assert "guarded" in machine.succeed(f"{kept} generations --format json")
          switch("three")
          arrives("three")

      with subtest("it goes when no generation needs it any more"):
          # What was booted counts as well.
          machine.reboot()
          arrives("three")
          collect("bare", "older")
          machine.succeed(f"test -e {guard}")
          switch("two")
          arrives("two")
          machine.fail(f"test -e {guard}")
          machine.fail("test -e /etc/systemd/system.control/shelf.service.d")
          machine.succeed("systemctl restart shelf.service")
          machine.reboot()
          arrives("two")
          machine.fail(f"test -e {guard}")

      # What is deleted from the profile comes once more, as if it were built then.
      with subtest("a generation that comes when it has gone is guarded, at a switch, a test and a boot"):
          for action in ["switch", "test", "boot"]:
              switch("bare", action)
              if action == "boot":
                  machine.fail(f"test -e {guard}")
                  machine.reboot()
              arrives("bare")
              assert running() == "bare", running()
              switch("two")
              arrives("two")
              machine.reboot()
              if action != "test":
                  collect("bare")
              switch("three")
              switch("two")
              arrives("two")
              machine.fail(f"test -e {guard}")
    '';
  };
}
