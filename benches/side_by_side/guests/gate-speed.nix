# How long a gate with nothing to do takes, beside the same unit that runs `true`.
{
  imports = [ ../../../nixpkgs-patches/nixos/lib/testing/migrations.nix ];
  name = "migrations-gate-speed";

  migrations = {
    service = "kept";
    walk = false;
    generations.one =
      { ... }:
      {
        systemd.services.kept.serviceConfig = {
          Type = "oneshot";
          ExecStart = "/bin/true";
        };
        migrations.kept = {
          stateDirectories = [ "/var/lib/kept" ];
          steps."2024-01-01" = {
            up.script = "true";
            down.script = "true";
          };
        };
      };

    script = ''
      import os

      rounds = int(os.environ.get("NIXMIG_ROUNDS", "3"))

      switch("one")
      machine.succeed("mkdir -p /var/lib/kept", "nixmig migrate --stop", "nixmig stamp kept 2024-01-01")
      machine.succeed(
          "sed '/^X-Migration/d; /^\\[X-Migration/,/^$/d; s|^ExecStart=.*|ExecStart=/bin/true|'"
          " /etc/systemd/system/migrate-kept.service > /run/systemd/system/least.service",
          "systemctl daemon-reload",
          "systemctl start migrate-kept.service least.service",
      )
      units = {"gate": "migrate-kept.service", "least": "least.service"}
      # All of it in one shell: what it takes to get into the guest would be noise of the same size.
      rounds = "".join(
          f"begun=''${{EPOCHREALTIME/./}}; systemctl start {units[name]}; ended=''${{EPOCHREALTIME/./}};"
          f" printf 'figure {name} %d.%06d\\n' $(((ended - begun) / 1000000)) $(((ended - begun) % 1000000));"
          for round in range(rounds)
          for name in (units if round % 2 else reversed(units))
      )
      print(machine.succeed(f"set -e; {rounds}"), flush=True)
    '';
  };
}
