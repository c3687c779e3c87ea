# The scenarios, evaluated over the miniature NixOS: for each what the driver needs to run it. A scenario is a NixOS test module,
# NAME.nix in nixpkgs-patches/nixos/tests/migrations.
{
  nixpkgs ? builtins.getEnv "NIXPKGS",
  lib ? import (if nixpkgs == "" then ../../test-fixtures/lib else /. + nixpkgs + "/lib"),
  system ? builtins.currentSystem or "x86_64-linux",
  # The directory that scripts/postgresql filled, for scenarios that have a real PostgreSQL.
  servers ? builtins.getEnv "NIXMIG_SERVERS",
}:

let
  # Those that nixpkgs could have, those that need what only this repository has, and those that measure.
  tests = [
    ../../nixpkgs-patches/nixos/tests/migrations
    ./scenarios
    ../../benches/side_by_side/guests
  ];

  release = "25.11";

  # What is different in a guest: systemd is the one that it runs, and nixmig is put there by the driver, so that nothing
  # is built anew when it changes.
  overlay = pkgs: {
    systemd = pkgs.runCommandLocal "systemd" { } ''
      mkdir -p "$out/bin" "$out/example/systemd/system"
      for program in journalctl systemctl systemd-analyze systemd-notify systemd-nspawn systemd-run; do
        ln -s "/usr/bin/$program" "$out/bin/$program"
      done
      ln -s ${../../test-fixtures/machine/bootctl} "$out/bin/bootctl"
      for unit in basic multi-user network network-online reboot rescue sysinit; do
        ln -s "/usr/lib/systemd/system/$unit.target" "$out/example/systemd/system/"
      done
    '';
    nixmig = pkgs.runCommandLocal "nixmig" { } ''
      mkdir -p "$out/bin"
      : > "$out/bin/nixmig"
      chmod +x "$out/bin/nixmig"
    '';
    postgresql_15 = postgresql pkgs "15";
    postgresql_17 = postgresql pkgs "17";
  };

  postgresql =
    pkgs: major:
    import ../../test-fixtures/postgresql/server.nix {
      inherit lib pkgs;
      tree = /. + "${servers}/postgresql-${major}";
    };

  # What NixOS's module does besides.
  postgresqlService =
    { config, lib, ... }:
    lib.mkIf config.services.postgresql.enable {
      environment.etc."sysusers.d/postgresql.conf".text = "u postgres -";
      systemd.services.postgresql.serviceConfig = {
        RuntimeDirectory = "postgresql";
        StateDirectory = "postgresql";
      };
      migrations.postgresql.stateDirectories = [ "/var/lib/postgresql" ];
    };

  evaluate =
    modules:
    import ../../test-fixtures/nixos {
      inherit
        lib
        overlay
        release
        system
        ;
      nixpkgsModules = [
        ../../nixpkgs-patches/nixos/modules/system/migrations
        ../../test-fixtures/machine/containers.nix
        ../../test-fixtures/machine/disks.nix
        ../../test-fixtures/machine/system.nix
        ../../test-fixtures/services/postgresql/module.nix
        ../../test-fixtures/postgresql/migrations.nix
        postgresqlService
      ];
      inherit modules;
    };

  evaluateTest =
    module:
    (lib.evalModules {
      modules = [
        (import ./framework.nix { inherit evaluate lib; })
        module
      ];
    }).config;

  scenario =
    directory: file:
    let
      test = evaluateTest (directory + "/${file}");
      inherit (test.nodes) machine;
      systems = [ machine.system.build.toplevel ] ++ lib.attrValues machine.system.build.generations;
    in
    {
      inherit (test) name;
      script = test.testScriptString;
      toplevel = "${machine.system.build.toplevel}";
      inherit (machine.system.build) disks;
      nixmig = "${machine.services.nixmig.package}";
      systems = map toString systems;
      derivations = map (system: builtins.unsafeDiscardOutputDependency system.drvPath) systems;
    };
in
lib.foldl' (
  all: directory:
  all
  // lib.mapAttrs' (file: _: {
    name = lib.removeSuffix ".nix" file;
    value = scenario directory file;
  }) (lib.filterAttrs (_: type: type == "regular") (builtins.readDir directory))
) { } tests
