# Steps that lose something: refused before a switch and at the gate, walked when they are accepted, and no way back.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-destructive";

  migrations =
    let
      lossy =
        { lib, ... }:
        {
          up.warn = "The order of the books is forgotten.";
          down.script = lib.mkForce null;
        };
    in
    {
      service = "shelf";
      units = [
        "shelf.service"
        "accepted.service"
      ];
      base.imports = [ ./common/shelves.nix ];

      generations.two.services.shelves = {
        shelf.version = 2;
        accepted.version = 2;
      };
      generations.three =
        { lib, ... }:
        {
          services.shelves = {
            shelf.version = 3;
            accepted.version = 3;
          };
          migrations.shelf.steps."2024-03-01" = lossy { inherit lib; };
          migrations.accepted = {
            acknowledge = [ "2024-03-01" ];
            steps."2024-03-01" = lossy { inherit lib; };
          };
        };

      seed = ''
        for name in ["shelf", "accepted"]:
            machine.succeed(f"echo book >> /var/lib/{name}/items")
      '';

      check = ''
        marks = {"two": "", "three": " ^3"}[generation]
        for name in ["shelf", "accepted"]:
            found = machine.succeed(f"cat /var/lib/{name}/items")
            assert found == f"book{marks}\n", f"{name} has {found}"
      '';

      script = ''
        def has(name: str, wanted: str) -> None:
            found = machine.succeed(f"cat /var/lib/{name}/items").strip()
            assert found == wanted, f"{name} has {found}"


        switch("two")
        wait_for_units()
        seed()

        with subtest("what nobody accepted is refused before anything is touched"):
            default = machine.succeed("cat /boot/loader/loader.conf")
            out = switch_fails("three", status=1)
            assert "The order of the books is forgotten." in out, out
            assert "shelf@2024-03-01" in out, out
            assert machine.succeed("cat /boot/loader/loader.conf") == default
            arrives("two")

        with subtest("without the check it is refused at the gate, and what was accepted is walked"):
            switch_fails("three", environment="NIXOS_NO_CHECK=1")
            machine.fail("systemctl is-active shelf.service")
            machine.wait_for_unit("accepted.service")
            has("shelf", "book")
            has("accepted", "book ^3")

        with subtest("accepted, it is walked, and the service starts"):
            machine.succeed(f"nixmig check {toplevels['three']} switch --acknowledge shelf@2024-03-01")
            switch("three")
            arrives("three")

        with subtest("there is no way back: the check says so, and the gates hold the services"):
            out = switch_fails("two", status=1)
            assert "stranded" in out, out
            arrives("three")
            switch_fails("two", environment="NIXOS_NO_CHECK=1")
            are_down()
            has("shelf", "book ^3")
            has("accepted", "book ^3")

        with subtest("nor by a reboot; the way out is forward"):
            machine.reboot()
            machine.wait_for_unit("multi-user.target")
            are_down()
            has("shelf", "book ^3")
            switch("three")
            arrives("three")
      '';
    };
}
