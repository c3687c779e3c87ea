# A container migrates inside itself: its own systemd, gates and record; the host has nothing of it.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-container";

  migrations =
    let
      inner = version: {
        containers.inner = {
          autoStart = true;
          config = {
            imports = [ ./common/shelf.nix ];
            services.nixmig.enable = true;
            services.shelf.version = version;
          };
        };
      };
    in
    {
      service = "shelf";
      walk = false;
      generations.without = { };
      generations.one = inner 1;
      generations.three = inner 3;

      check = ''
        marks = {"one": "", "three": " ^2 ^3"}[generation]
        found = machine.succeed(f"cat {inside}/shelf/items")
        assert found == f"book{marks}\n", found
      '';

      script = ''
        container = "container@inner.service"
        inside = "/var/lib/nixos-containers/inner/var/lib"


        def restarts(generation: str, version: int) -> None:
            """Restarts the container on what a switch made of it, and waits for its service."""
            switch(generation)
            machine.succeed(f"systemctl restart {container}")
            machine.wait_for_unit(container)
            machine.wait_until_succeeds(f"grep -x {version} {inside}/shelf/version", timeout=20)


        switch("one")
        machine.wait_for_unit(container)
        machine.wait_until_succeeds(f"test -e {inside}/shelf/items", timeout=20)
        machine.succeed(f"echo book >> {inside}/shelf/items")

        with subtest("up, in the container's own record"):
            restarts("three", 3)
            check("three")
            machine.succeed(f"test -e {inside}/nixmig/record.sqlite")
            machine.fail("test -e /var/lib/nixmig/record.sqlite")

        with subtest("what the way back needs is kept on the host from collection"):
            switch("without")
            collect("three")
            machine.fail(f"test -e {toplevels['three']}")
            restarts("one", 1)
            check("one")
      '';
    };
}
