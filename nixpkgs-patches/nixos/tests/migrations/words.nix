# What whoever is called at night reads of a gate, a step and the service behind them: what happened, and what to type.
{
  imports = [ ../../lib/testing/migrations.nix ];
  name = "migrations-words";

  migrations = {
    service = "shelf";
    texts = ./words;
    base.imports = [ ./common/shelf.nix ];

    generations = {
      one.services.shelf.version = 1;
      # Its step fails, and the state is brought back.
      failing =
        { lib, ... }:
        {
          services.shelf.version = 2;
          migrations.shelf.steps."2024-02-01".up.script = lib.mkForce ''
            echo half-way > "$STATE_DIRECTORIES/version"
            echo "no room on the shelf" >&2
            exit 1
          '';
        };
      # So does this one, and its state is not brought back, as long as there is too little room.
      lost =
        { lib, ... }:
        {
          services.shelf.version = 2;
          migrations.shelf.steps."2024-02-01".up = {
            script = lib.mkForce ''
              echo half-way > "$STATE_DIRECTORIES/version"
              [ ! -e /run/full ]
              echo 2 > "$STATE_DIRECTORIES/version"
            '';
            backup = ''cp -a "$STATE_DIRECTORIES/." "$BACKUP"'';
            restore = ''
              if [ -e /run/full ]; then
                echo "no room for what was on the shelf" >&2
                exit 2
              fi
              cp -a "$BACKUP/." "$STATE_DIRECTORIES"
            '';
          };
        };
      # Nothing is run before somebody says so.
      destructive = {
        services.shelf.version = 2;
        migrations.shelf.steps."2024-02-01".up.warn = "Books in red covers are thrown away.";
      };
    };

    script = ''
      def now() -> str:
          """The time at which all that went before is in the journal."""
          machine.succeed("journalctl --sync")
          return machine.succeed("date +@%s.%6N").strip()


      def reads_all(case: str, since: str, *units: str) -> None:
          """Whoever looks at units, by their short names: what they are like, and what they said since then."""
          machine.succeed("journalctl --sync")
          for short in units:
              unit = {"gate": "migrate-shelf.service", "service": "shelf.service"}.get(short)
              if unit is None:
                  listed = machine.succeed("systemctl list-units --all --plain --no-legend 'migrate-shelf-*.service'")
                  unit = listed.split()[0]
              reads(f"{case}-{short}-status", f"systemctl status --no-pager --full {unit}")
              reads(f"{case}-{short}-journal", f"journalctl --no-pager --since={since} --unit={unit}")


      switch("one")
      wait_for_units()

      with subtest("a step failed, and its state was brought back"):
          since = now()
          switch_fails("failing")
          reads_all("failed", since, "gate", "step", "service")
          for short, unit in [("gate", "migrate-shelf"), ("step", "migrate-shelf-*"), ("service", "shelf")]:
              reads(f"cat-{short}", f"systemctl cat --no-pager '{unit}.service'")
          reads("failed-status", "nixmig status")
          switch("one")
          wait_for_units()

      with subtest("a step failed, and its state was not brought back"):
          since = now()
          machine.succeed("touch /run/full")
          switch_fails("lost")
          reads_all("lost", since, "gate", "step", "service")
          reads("lost-status", "nixmig status")

      with subtest("nothing was begun"):
          machine.succeed("rm /run/full")
          reads("lost-resume", "nixmig resume shelf --restore")
          switch("one")
          wait_for_units()
          since = now()
          switch_fails("destructive", environment="NIXOS_NO_CHECK=1")
          reads_all("refused", since, "gate", "service")
          reads("refused-status", "nixmig status")
          reads("refused-plan", "nixmig plan current")
          machine.succeed("nixmig migrate current --acknowledge shelf@2024-02-01")
          arrives("destructive")
    '';
  };
}
