# Tests of migrations: a test module that imports this says what a service's generations are, how state is seeded and checked,
# and gets from it a machine that has those generations, and a `testScript` that walks from the old one to the new one and
# back: from a clean state, with a script that fails, and through a crash in mid-step.
#
#     {
#       imports = [ ../../lib/testing/migrations.nix ];
#       name = "forgejo-migrations";
#       migrations = {
#         service = "forgejo";
#         generations.old = { services.forgejo.package = …; };
#         generations.new = { services.forgejo.package = …; };
#         seed = ''machine.succeed("forgejo admin user create …")'';
#         check = ''machine.succeed("forgejo admin user list | grep …")'';
#       };
#     }
{ config, lib, ... }:

let
  inherit (lib)
    concatMapStrings
    concatStringsSep
    elem
    literalExpression
    mapAttrs
    mkDefault
    mkForce
    mkOption
    optionalAttrs
    optionalString
    splitString
    types
    ;

  cfg = config.migrations;

  script =
    description:
    mkOption {
      type = types.lines;
      default = "";
      inherit description;
    };

  # Whoever runs the script may read and write here, and a crash takes it away.
  faults = "/run/migration-faults";

  faulty = text: ''
    ${text}
    if [ -e ${faults}/fail ]; then
      echo "told to fail" >&2
      exit 1
    fi
    if [ -e ${faults}/wait ]; then
      : > ${faults}/reached
      while [ -e ${faults}/wait ]; do sleep 0.1; done
    fi
  '';

  # The new generation, whose ways up do as they are told when their work is done and not yet called finished.
  withFaults = system: {
    migrations.${cfg.service}.steps = mapAttrs (_: step: {
      up.script = mkForce (faulty step.up.script);
    }) (lib.filterAttrs (_: step: step.up.script != null) system.migrations.${cfg.service}.steps);
  };

  walks = cfg.walk && cfg.generations ? ${cfg.old} && cfg.generations ? ${cfg.new};

  base =
    {
      config,
      extendModules,
      lib,
      options,
      ...
    }:
    let
      extended = modules: (extendModules { inherit modules; }).config;
      systems =
        mapAttrs (_: module: extended [ module ]) cfg.generations
        // optionalAttrs (walks && cfg.faults != [ ]) {
          "${cfg.new}-with-faults" =
            let
              module = cfg.generations.${cfg.new};
            in
            extended [
              module
              (withFaults (extended [ module ]))
            ];
        };
    in
    {
      imports = [ cfg.base ];

      config = {
        services.nixmig.enable = mkDefault true;
        environment.systemPackages = [ config.services.nixmig.package ];
        system.build.generations = mapAttrs (_: system: system.system.build.toplevel) systems;
      }
      # A boot menu, and all generations in a store that can be written to.
      // optionalAttrs (options ? virtualisation.useBootLoader) {
        boot.loader.systemd-boot.enable = true;
        virtualisation = {
          useBootLoader = true;
          useEFIBoot = true;
          writableStore = true;
          additionalPaths = lib.attrValues config.system.build.generations;
        };
      };
    };

  python = builtins.toJSON;

  indented =
    text:
    concatMapStrings (line: optionalString (line != "") "    ${line}" + "\n") (splitString "\n" text);

  # The texts of the test, by the names of their files.
  texts = lib.optionalAttrs (cfg.texts != null) (
    mapAttrs (file: _: builtins.readFile (cfg.texts + "/${file}")) (builtins.readDir cfg.texts)
  );

  vocabulary = nodes: ''
    import difflib
    import json
    import re
    from typing import Any, Dict, List

    toplevels: Dict[str, str] = json.loads(${python (python (mapAttrs (_: toString) nodes.machine.system.build.generations))})
    units: List[str] = json.loads(${python (python cfg.units)})
    texts: Dict[str, str] = json.loads(${python (python texts)})
    found: Dict[str, str] = {}
    profile = "/nix/var/nix/profiles/system"


    def install(generation: str) -> None:
        """Makes a generation the newest of the system's profile."""
        machine.succeed(f"nix-env -p {profile} --set {toplevels[generation]}")


    def command(generation: str, action: str = "switch", environment: str = "") -> str:
        """The command that switches to a generation."""
        return f"{environment} {toplevels[generation]}/bin/switch-to-configuration {action}"


    def switch(generation: str, action: str = "switch", environment: str = "") -> str:
        """Installs a generation and switches to it, which must succeed; what that printed."""
        if action != "test":
            install(generation)
        return machine.succeed(command(generation, action, environment) + " 2>&1")


    def switch_fails(
        generation: str, action: str = "switch", environment: str = "", status: int = 4
    ) -> str:
        """Installs a generation and switches to it, which must end with the status; what that printed."""
        if action != "test":
            install(generation)
        found, output = machine.execute(command(generation, action, environment) + " 2>&1")
        assert found == status, f"ended with {found}, not {status}: {output}"
        return output


    def numbers(generation: str) -> List[int]:
        """The numbers that a generation has in the profile."""
        links = machine.succeed(
            f"for link in $(ls -v -d {profile}-*-link); do echo $link $(readlink -f $link); done"
        )
        words = [line.split() for line in links.splitlines()]
        return [int(link.split("-")[-2]) for link, target in words if target == toplevels[generation]]


    def number(generation: str) -> int:
        """The newest of them."""
        return numbers(generation)[-1]


    def boot_menu(generation: str) -> None:
        """Reboots into a generation, by its entry in the boot menu and for once."""
        machine.succeed(f"bootctl set-oneshot nixos-generation-{number(generation)}.conf")
        machine.reboot()
        machine.wait_for_unit("multi-user.target")
        assert running() == generation, f"{running()} runs"


    def running() -> str:
        """The name of the generation that runs."""
        path = machine.succeed("readlink -f /run/current-system").strip()
        return next(name for name, toplevel in toplevels.items() if toplevel == path)


    def collect(*generations: str) -> None:
        """Deletes generations from the profile, and collects the garbage."""
        deleted = " ".join(str(number) for generation in generations for number in numbers(generation))
        machine.succeed(f"nix-env -p {profile} --delete-generations {deleted}", "nix-store --gc 2>&1")


    def status(service: str = ${python cfg.service}) -> Dict[str, Any]:
        """What `nixmig status` says of a service."""
        _, output = machine.execute("nixmig status --format json")
        return next(found for found in json.loads(output)["services"] if found["name"] == service)


    def applied(service: str = ${python cfg.service}) -> List[str]:
        """The versions that are applied."""
        versions: List[str] = status(service)["applied"]
        return versions


    def wait_for_units() -> None:
        """Waits until the service's units are active."""
        for unit in units:
            machine.wait_for_unit(unit)


    def masked(text: str) -> str:
        """
        A text of systemd or nixmig without what differs from run to run, and what each says in the
        journal in an order of its own: how they alternate depends on who is quicker.
        """
        for pattern, word in [
            (r"/nix/store/[0-9a-z]{32}-", "/nix/store/HASH-"),
            (r"--since=\S+", "--since=TIME"),
            (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
            (r"\b(coreutils|findutils|gnugrep|gnused)-[\d.]+", r"\1-VERSION"),
            (r"nixos-system-\S+", "nixos-system-NAME"),
            (r"record [0-9a-f]{32}, \d+ events", "record RECORD, N events"),
            (r"\b[0-9a-f]{16}\b", "RUN"),
            (r"\b[\d.]+ KiB\b", "N KiB"),
            (r"\b\d+\.\d+ s\b", "N s"),
            (r"(?m)^[A-Z][a-z]{2} [ \d]\d [\d:]{8} ", "TIME "),
            (r" since .*", " since TIME"),
            (r"\[\d+\]: ", "[PID]: "),
            (r"(Main PID|Process): \d+", r"\1: PID"),
            (r"(?m)^Environment=.PATH=.*\n", ""),
            (r"(?m)^ *(Invocation|Duration|Mem peak|CPU): .*\n", ""),
            (r"(?m)^.*: Consumed .*\n", ""),
        ]:
            text = re.sub(pattern, word, text)
        lines = text.splitlines()
        voices = [re.match(r"TIME \S+ ([^:]*):", line) for line in lines]
        order = {voice[1]: at for at, voice in reversed(list(enumerate(voices))) if voice}
        at = [order[voice[1]] if voice else at for at, voice in enumerate(voices)]
        return "".join(f"{lines[n].rstrip()}\n" for n in sorted(range(len(lines)), key=lambda n: at[n]))


    def reads(name: str, command: str) -> None:
        """Whoever types the command must read what the text of that name says, which is looked at in the end."""
        _, text = machine.execute(f"{command} 2>&1")
        found[name] = f"$ {masked(command)}\n{masked(text)}"
        (machine.out_dir / f"{name}.txt").write_text(found[name])


    def compare_texts() -> None:
        """All that was read is what the texts say."""
        differences = ""
        for name, text in found.items():
            lines = [part.splitlines(keepends=True) for part in [texts.get(f"{name}.txt", ""), text]]
            differences += "".join(difflib.unified_diff(*lines, f"{name}, expected", f"{name}, found"))
        assert differences == "", f"texts are not what they were:\n{differences}"


    def are_down() -> None:
        """None of the service's units is active."""
        for unit in units:
            machine.fail(f"systemctl is-active {unit}")


    def seed() -> None:
    ${indented (if cfg.seed == "" then "pass" else cfg.seed)}

    def check(generation: str) -> None:
    ${indented (if cfg.check == "" then "pass" else cfg.check)}

    def arrives(generation: str) -> None:
        """The generation runs its service, on all data."""
        wait_for_units()
        check(generation)
  '';

  both = ''
    old = ${python cfg.old}
    new = ${python cfg.new}
    with_faults = f"{new}-with-faults"
    machine.start()
    machine.wait_for_unit("multi-user.target")


    def arrives_and_returns() -> None:
        """The new generation runs its service on all data, and so does the old one afterwards."""
        arrives(new)
        switch(old)
        arrives(old)


    with subtest("on a clean state the service starts, and nothing has to run"):
        switch(old)
        wait_for_units()
        seed()
        check(old)

    with subtest("up, and back"):
        switch(new)
        arrives_and_returns()
  '';

  failing = ''
    machine.succeed("mkdir -p -m 1777 ${faults}")

    with subtest("a script that fails leaves the service down, and the old one starts on what there was"):
        machine.succeed("touch ${faults}/fail")
        switch_fails(with_faults)
        are_down()
        machine.succeed("rm ${faults}/fail")
        switch(old)
        arrives(old)

    with subtest("when its cause is gone, the way up is tried again, and back"):
        machine.succeed("nixmig resume ${cfg.service} --retry")
        switch(with_faults)
        arrives_and_returns()
  '';

  crashing = ''
    machine.succeed("mkdir -p -m 1777 ${faults}")

    with subtest("after a crash in mid-step the new generation boots, and arrives"):
        machine.succeed("touch ${faults}/wait")
        install(with_faults)
        machine.succeed(f"systemd-run --collect --unit=switch {command(with_faults)}")
        machine.wait_for_file("${faults}/reached")
        machine.crash()
        machine.start()
        wait_for_units()
        assert running() == with_faults, f"{running()} runs"
        arrives_and_returns()
  '';

  walk = concatStringsSep "\n" (
    [ both ]
    ++ lib.optional (elem "script" cfg.faults) failing
    ++ lib.optional (elem "crash" cfg.faults) crashing
  );
in
{
  options.migrations = {
    service = mkOption {
      type = types.str;
      example = "forgejo";
      description = "The service whose state is migrated: its name below {option}`migrations` of the systems.";
    };

    units = mkOption {
      type = types.listOf types.str;
      default = [ "${cfg.service}.service" ];
      defaultText = literalExpression ''[ "''${config.migrations.service}.service" ]'';
      description = "The units that must be up where the service is.";
    };

    base = mkOption {
      type = types.deferredModule;
      default = { };
      description = "What all generations have, and the system that the machine is made with.";
    };

    generations = mkOption {
      type = types.lazyAttrsOf types.deferredModule;
      description = "The generations of the machine, by a name for the script: what each has besides {option}`migrations.base`.";
    };

    old = mkOption {
      type = types.str;
      default = "old";
      description = "The generation that the walk begins with.";
    };

    new = mkOption {
      type = types.str;
      default = "new";
      description = "The generation that the walk goes to.";
    };

    walk = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether the script begins with the walk from the old generation to the new one and back, where there are
        generations of these names.
      '';
    };

    faults = mkOption {
      type = types.listOf (
        types.enum [
          "script"
          "crash"
        ]
      );
      default = [
        "script"
        "crash"
      ];
      description = "What goes wrong on further walks: the last command of a script fails, or the machine crashes behind it.";
    };

    seed = script ''
      What fills the service with data, in Python: it runs once, with the old generation's service up.
    '';

    check = script ''
      What fails unless all that data is there, in Python: it runs with the service up, and `generation` says on which
      generation.
    '';

    texts = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = ''
        A directory of texts that somebody reads: what `reads(NAME, COMMAND)` in the script finds must be the text in `NAME.txt`.
        Times, hashes and the like are masked.
      '';
    };

    script = script ''
      What is done after the walk, or in place of it, in Python. Besides what every test script has, it finds what this
      module defines: `switch(GENERATION)`, `switch_fails(GENERATION)`, `boot_menu(GENERATION)`, `collect(GENERATION…)`,
      `install`, `command`, `running`, `number`, `status`, `applied`, `wait_for_units`, `are_down`, `reads`, `seed`, `check`,
      `arrives`.
    '';
  };

  config = {
    nodes.machine = base;

    testScript =
      { nodes, ... }:
      concatStringsSep "\n" [
        (vocabulary nodes)
        (if walks then walk else "machine.start()\nmachine.wait_for_unit(\"multi-user.target\")\n")
        cfg.script
        (optionalString (cfg.texts != null) "compare_texts()")
      ];
  };
}
