# State that was there before anything was recorded: what it is taken to be, and by what.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-first-contact";

  migrations = {
    service = "fresh";
    base.imports = [ ./common/shelves.nix ];

    # All of them at version 2, of a release of the month of its migration, when nobody spoke of migrations.
    generations.bare =
      { lib, ... }:
      {
        system.nixos.version = "24.02.20240215.abcdef0";
        services.shelves = lib.genAttrs [ "detected" "programmed" "dated" "unknown" ] (_: {
          version = 2;
          migrate = false;
        });
      };

    generations.adopting.services.shelves = {
      fresh.version = 3;
      detected = {
        version = 3;
        detect = true;
      };
      programmed = {
        version = 3;
        program = true;
      };
      dated.version = 2;
      # A step that the release before may have had already, or not.
      unknown.version = 3;
    };

    script = ''
      def has(name: str, wanted: str) -> None:
          found = machine.succeed(f"cat /var/lib/{name}/items").strip()
          assert found == wanted, f"{name} has {found}"


      met = ["detected", "programmed", "dated", "unknown"]
      known = ["fresh", "detected", "programmed", "dated"]

      switch("bare")
      for name in met:
          machine.wait_for_unit(f"{name}.service")
          machine.succeed(f"echo book >> /var/lib/{name}/items")

      with subtest("what cannot be told is refused before anything is touched"):
          out = switch_fails("adopting", status=1)
          assert "unknown" in out, out
          for name in met:
              machine.require_unit_state(f"{name}.service")
              has(name, "book")
          assert running() == "bare", running()

      with subtest("without the check it is refused at its gate, and the others arrive"):
          switch_fails("adopting", environment="NIXOS_NO_CHECK=1")
          for name in known:
              machine.wait_for_unit(f"{name}.service")
          machine.fail("systemctl is-active unknown.service")
          has("fresh", "")
          has("detected", "book ^3")
          has("programmed", "book ^3")
          has("dated", "book")
          has("unknown", "book")
          for name in ["fresh", "detected", "programmed"]:
              assert applied(name)[-1] == "2024-03-01", applied(name)
          assert applied("dated")[-1] == "2024-02-01", applied("dated")

      with subtest("a stamp says it"):
          machine.succeed("nixmig stamp unknown 2024-02-01")
          switch("adopting")
          machine.wait_for_unit("unknown.service")
          has("unknown", "book ^3")
    '';
  };
}
