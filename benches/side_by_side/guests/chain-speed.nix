# How long a hundred steps that do nothing take, each a unit of its own, beside oneshots that flush as often and nothing else.
let
  count = 100;

  versions = builtins.genList (n: "${toString (2001 + n / 9)}-01-01.${toString (n - n / 9 * 9 + 1)}") count;

  steps = builtins.listToAttrs (
    map (version: {
      name = version;
      value = {
        up.script = "";
        down.script = "";
      };
    }) versions
  );

  service = name: module: {
    systemd.services.${name}.serviceConfig = {
      Type = "oneshot";
      ExecStart = "/bin/true";
    };
    migrations.${name} = module;
  };

  # `kept` has a state that is backed up, of `loose` nobody says where it is.
  generation = steps: {
    imports = [
      (service "kept" {
        inherit steps;
        stateDirectories = [ "/var/lib/kept" ];
      })
      (service "loose" {
        inherit steps;
      })
    ];
  };
in
{
  imports = [ ../../../nixpkgs-patches/nixos/lib/testing/migrations.nix ];
  name = "migrations-chain-speed";

  migrations = {
    service = "kept";
    walk = false;
    generations.none = generation { };
    generations.all = generation steps;

    script = ''
      import os
      import signal
      import subprocess
      import time

      count = ${toString count}
      rounds = int(os.environ.get("NIXMIG_ROUNDS", "3"))
      at = {"kept": "none", "loose": "none"}


      def times(command: str) -> float:
          """How many seconds a command takes, by the guest's own clock."""
          said = machine.succeed(
              f"begun=$EPOCHREALTIME; ({command}) > /tmp/said 2>&1 || {{ cat /tmp/said; exit 1; }}; echo $begun $EPOCHREALTIME"
          )
          begun, ended = map(float, said.split())
          return ended - begun


      def walk(name: str) -> float:
          at[name] = "all" if at[name] == "none" else "none"
          return times(f"nixmig migrate {toplevels[at[name]]} --service {name} --stop")


      def flushes(name: str) -> int:
          """How often nixmig has something flushed in each step of a walk."""
          init = machine.guest.leader
          trace = machine.guest.directory / "trace"
          calls = "trace=fsync,fdatasync,syncfs,sync"
          strace = subprocess.Popen(["strace", "-fqqY", "-e", calls, "-o", trace, "-p", str(init)])
          while "TracerPid:\t0\n" in open(f"/proc/{init}/status").read():
              time.sleep(0.1)
          walk(name)
          strace.send_signal(signal.SIGINT)
          strace.wait()
          begun = [line for line in open(trace) if "<nixmig>" in line and "resumed>" not in line]
          return round(len(begun) / count)


      def least(name: str, program: str) -> None:
          """Makes a chain of oneshots."""
          for n in range(1, count + 1):
              before = f"Requires=least-{name}-{n - 1}.service\nAfter=least-{name}-{n - 1}.service\n" if n > 1 else ""
              unit = f"[Unit]\nDefaultDependencies=no\n{before}[Service]\nType=oneshot\nExecStart={program}\n"
              (machine.guest.shared / f"least-{name}-{n}.service").write_text(unit)


      install("none")
      # Nobody knows what `loose` is on, so its gate refuses.
      machine.execute(command("none"))
      machine.succeed("nixmig stamp loose none", "mkdir -p /var/lib/kept", "nixmig migrate --stop")
      for name in at:
          found = flushes(name)
          # They append to a file, and flush as often.
          least(
              name,
              f"/bin/dd if=/dev/zero of=/var/lib/least bs=64 count={found} oflag=append,dsync conv=notrunc status=none",
          )
          print(f"number {name}-flushes {found}", flush=True)
      least("bare", "/bin/true")
      machine.succeed("cp /tmp/shared/least-* /run/systemd/system", "systemctl daemon-reload")

      contenders = {
          "kept": lambda: walk("kept"),
          "kept-least": lambda: times(f"systemctl start least-kept-{count}.service"),
          "loose": lambda: walk("loose"),
          "loose-least": lambda: times(f"systemctl start least-loose-{count}.service"),
          "bare": lambda: times(f"systemctl start least-bare-{count}.service"),
          "apart": lambda: times(f"for n in $(seq {count}); do systemd-run --quiet --wait --collect /bin/true; done"),
      }
      for round in range(-1, rounds):
          turns = list(contenders)
          for name in turns if round % 2 else turns[::-1]:
              seconds = contenders[name]()
              if round >= 0:
                  print(f"figure {name} {seconds}", flush=True)
    '';
  };
}
