# What is asked before a switch, under each action, and where nothing runs yet.
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/marks.nix
  ];
  name = "migrations-check";

  migrations.script = ''
    switch("one")
    wait_for_units()
    seed()

    with subtest("what only looks changes nothing"):
        pid = machine.get_unit_property("shelf.service", "MainPID")
        record = machine.succeed("sha256sum /var/lib/nixmig/record.sqlite")
        for action in ["dry-activate", "check"]:
            out = machine.succeed(command("three", action) + " 2>&1")
            assert "The gates would do this" in out, out
            assert "shelf.service is down until" in out, out
        arrives("one")
        assert machine.get_unit_property("shelf.service", "MainPID") == pid
        assert machine.succeed("sha256sum /var/lib/nixmig/record.sqlite") == record

    with subtest("boot says that it is for later, and so it is"):
        out = switch("three", "boot")
        assert "at the next boot" in out, out
        arrives("one")
        machine.reboot()
        arrives("three")

    with subtest("test and switch say that it is for now"):
        for action in ["test", "switch"]:
            assert "right after the switch" in switch("one", action)
            arrives("one")
            assert "right after the switch" in switch("three", action)
            arrives("three")

    with subtest("with nothing to do there is little to say"):
        out = switch("three")
        assert "nixmig: Nothing to do" in out, out

    with subtest("an installer has no system that runs, no record and no state"):
        machine.succeed(
            "mkdir -p /mnt/{etc,nix/store,nix/var/nix/{gcroots,profiles},proc,run,tmp,usr,var/lib}",
            "for name in bin lib lib64; do ln -s usr/$name /mnt/$name; done",
            "for name in nix/store proc usr; do mount --bind /$name /mnt/$name; done",
        )
        program = machine.succeed("readlink -f $(command -v nixmig)").strip()
        out = machine.succeed(f"chroot /mnt {program} check {toplevels['three']} boot 2>&1")
        assert "there is no state of shelf yet" in out, out
        machine.fail("test -e /mnt/var/lib/nixmig")
  '';
}
