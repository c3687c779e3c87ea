# The engine's own tests, which elsewhere run scripts as children of nixmig, with systemd running them. The driver brings the program
# that has them.
{
  imports = [ ../../../nixpkgs-patches/nixos/lib/testing/migrations.nix ];
  name = "migrations-executor";

  migrations = {
    service = "shelf";
    generations = { };

    script = ''
      status, said = machine.execute(
          "NIXMIG_TEST_EXECUTOR=systemd PROPTEST_CASES=2 /tmp/shared/suite --test-threads=4 execute::tests:: 2>&1"
      )
      assert status == 0, said
      print(said.splitlines()[-2])
      units = machine.succeed("systemctl list-units --all --plain --no-legend 'migrate-*'")
      assert units == "", units
    '';
  };
}
