# The system closure: what `system.build.toplevel` links together, by the same build commands as in NixOS.
{
  config,
  lib,
  pkgs,
  nixosRelease,
  ...
}:

let
  inherit (lib) mkOption types;

  systemPath = pkgs.runCommandLocal "system-path" { paths = config.environment.systemPackages; } ''
    mkdir -p $out/bin
    for package in $paths; do
      ln -sf "$package"/bin/* $out/bin/
    done
  '';

  activate = pkgs.writeScript "activate" ''
    #!${pkgs.runtimeShell}
    echo "activating ${config.system.name}"
  '';

  # Not yet so in nixpkgs, which moves its derivations over one by one.
  structured = lib.versionAtLeast nixosRelease "26.11";

  toplevel = pkgs.stdenvNoCC.mkDerivation {
    name = "nixos-system-${config.system.name}-${config.system.nixos.label}";
    preferLocalBuild = true;
    allowSubstitutes = false;
    __structuredAttrs = structured;
    passAsFile = lib.optional (!structured) "extraDependencies";
    buildCommand = ''
      mkdir $out

      ln -s ${config.system.build.etc}/etc $out/etc

      ln -s ${config.system.path} $out/sw
      ln -s "$systemd" $out/systemd

      printf %s "systemd 256" > $out/init-interface-version
      printf %s "$nixosLabel" > $out/nixos-version
      printf %s "${pkgs.stdenv.hostPlatform.system}" > $out/system

      ${config.system.systemBuilderCommands}
      ${
        if structured then
          ''printf %s "$extraDependencies" > "$out/extra-dependencies"''
        else
          ''cp "$extraDependenciesPath" "$out/extra-dependencies"''
      }
    '';

    systemd = pkgs.systemd;
    nixosLabel = config.system.nixos.label;
    extraDependencies = "";
  };

  checks =
    set:
    lib.concatStrings (
      lib.mapAttrsToList (name: text: ''
        # pre-switch check ${name}
        (
          ${text}
        )
        if [[ $? != 0 ]]; then
          echo "Pre-switch check '${name}' failed"
          exit 1
        fi
      '') set
    );

  failed = lib.filter (check: !check.assertion) config.assertions;
  failures = lib.concatMapStringsSep "\n" (check: "- ${check.message}") failed;

  warn = warning: builtins.trace "evaluation warning: ${warning}";
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Conditions that must hold for the system to be built.";
    };

    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "What is printed whenever the system is built.";
    };

    networking.hostName = mkOption {
      type = types.str;
      default = "";
      description = "The host's name.";
    };

    environment.systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "What is in everybody's PATH.";
    };

    system = {
      name = mkOption {
        type = types.str;
        default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
        description = "The name of the system in its derivation.";
      };

      path = mkOption {
        type = types.package;
        default = systemPath;
        internal = true;
        description = "What `/run/current-system/sw` points to.";
      };

      stateVersion = mkOption {
        type = types.str;
        default = nixosRelease;
        description = "The release that the state was first made with.";
      };

      nixos = {
        release = mkOption {
          type = types.str;
          default = nixosRelease;
          readOnly = true;
          description = "The release, as in `24.11`.";
        };

        version = mkOption {
          type = types.str;
          default = "${nixosRelease}.20${lib.replaceStrings [ "." ] [ "" ] nixosRelease}15.abcdef0";
          description = "The full version, as in `24.11.20241115.abcdef0`.";
        };

        label = mkOption {
          type = types.str;
          default = config.system.nixos.version;
          description = "What the boot menu and `nixos-version` show.";
        };
      };

      preSwitchChecks = mkOption {
        type = types.attrsOf types.str;
        default = { };
        apply = set: set // { script = pkgs.writeShellScript "pre-switch-checks" (checks set); };
        description = "Shell fragments that run before a switch, with the system and the action as their arguments.";
      };

      systemBuilderCommands = mkOption {
        type = types.lines;
        default = "";
        internal = true;
        description = "What is added to the build of the system.";
      };

      build = mkOption {
        type = types.lazyAttrsOf types.raw;
        default = { };
        description = "Derivations that make up the system, and values for tools that read configurations.";
      };
    };
  };

  config = {
    environment.systemPackages = [ pkgs.coreutils ];

    system.systemBuilderCommands = ''
      cp ${activate} $out/activate
      mkdir $out/bin
      ln -s ${activate} $out/bin/switch-to-configuration
    '';

    system.build.toplevel =
      if failed != [ ] then
        throw "\nFailed assertions:\n${failures}"
      else
        lib.foldr warn toplevel config.warnings;
  };
}
