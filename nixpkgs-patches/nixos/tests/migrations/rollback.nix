# Every way back to an older generation, and switches that are none.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-rollback";

  migrations = {
    service = "shelf";
    base.imports = [ ./common/shelf.nix ];
    generations = {
      without = { };
      one.services.shelf.version = 1;
      three.services.shelf.version = 3;
      # The same versions and programs, and scripts of other store paths.
      rebuilt =
        { lib, ... }:
        {
          services.shelf.version = 3;
          services.nixmig.path = lib.mkForce [ ];
          migrations.shelf.steps."2024-02-01".up.verify = "true";
        };
    };

    seed = ''
      machine.succeed("echo book >> /var/lib/shelf/items")
    '';

    check = ''
      marks = "" if generation == "one" else " ^2 ^3"
      found = machine.succeed("cat /var/lib/shelf/items")
      assert found == f"book{marks}\n", found
    '';

    script = ''
      switch("one")
      wait_for_units()
      seed()
      switch("three")
      arrives("three")

      with subtest("where no version changes, nothing is restarted and no gate runs"):
          pid = machine.get_unit_property("shelf.service", "MainPID")
          gate = machine.get_unit_property("migrate-shelf.service", "InvocationID")
          switch("rebuilt")
          arrives("rebuilt")
          assert machine.get_unit_property("shelf.service", "MainPID") == pid
          assert machine.get_unit_property("migrate-shelf.service", "InvocationID") == gate

      with subtest("the boot menu leads down, and the next boot up again"):
          boot_menu("one")
          arrives("one")
          machine.reboot()
          arrives("rebuilt")
          assert running() == "rebuilt", running()

      with subtest("a generation that was only tested is gone after a reboot, and its state is back"):
          switch("one")
          arrives("one")
          switch("three", "test")
          arrives("three")
          machine.reboot()
          arrives("one")
          assert running() == "one", running()

      with subtest("the way down outlives the generation that knew it"):
          switch("three")
          arrives("three")
          switch("without")
          collect("three", "rebuilt")
          machine.fail(f"test -e {toplevels['three']}")
          switch("one")
          arrives("one")
          assert applied() == ["2024-01-01"], applied()
    '';
  };
}
