# nixmig killed at points in the middle of steps that are units, and of what it does around them: the service never starts but on a
# shelf of its own version, and once nothing kills any more, both ways are walked. Needs a nixmig that can be told to die.
{
  imports = [
    ../../lib/testing/migrations.nix
    ./common/marks.nix
  ];
  name = "migrations-kills";

  migrations.script = ''
    points = [
        "run-begun",
        "step-begun",
        "backup-half",
        "backup-made",
        "script-begun",
        "script-ended",
        "verified",
        "stamp-written",
        "state-flushed",
        "step-finished",
        "backup-dropped",
        "run-ended",
    ]

    switch("one")
    wait_for_units()
    seed()
    check("one")
    for point in points:
        with subtest(f"killed at {point}"):
            machine.succeed(f"systemctl set-environment NIXMIG_FAULT={point}:kill")
            install("three")
            machine.execute(command("three") + " 2>&1")
            version = machine.succeed("cat /var/lib/shelf/version").strip()
            up = machine.execute("systemctl is-active shelf.service")[0] == 0
            assert not up or version == "3", version
            machine.succeed("systemctl unset-environment NIXMIG_FAULT")
            switch("three")
            arrives("three")
            switch("one")
            arrives("one")
    machine.succeed("journalctl --no-pager | grep 'migrate-shelf-.*status=9/KILL'")
  '';
}
