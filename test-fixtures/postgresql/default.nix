# Generations of one host whose PostgreSQL is real: `toplevels.postgresql-13`, `-15` and `-17`. What is only invented elsewhere in
# the fixtures, the rest of the system, is so here too.
{
  # The directory that scripts/postgresql filled.
  servers,
  # Where the host's clusters are, below this a directory a major.
  state,
  # Whom servers and scripts belong to; with none, to whoever runs them.
  user ? "",
  # A directory for what scripts need while they run, of a short path.
  scratch,
  nixpkgs ? builtins.getEnv "NIXPKGS",
  lib ? import (if nixpkgs == "" then ../lib else /. + nixpkgs + "/lib"),
  system ? builtins.currentSystem or "x86_64-linux",
}:

let
  inherit (lib) mkForce;

  host =
    major: release:
    (import ../nixos {
      inherit lib release system;
      modules = [
        ../../nixpkgs-patches/nixos/modules/system/migrations
        ../services/postgresql/module.nix
        ./migrations.nix
        (
          { pkgs, ... }:
          {
            networking.hostName = "demeter";
            services.nixmig.enable = true;

            services.postgresql = {
              enable = true;
              package = import ./server.nix {
                inherit lib pkgs;
                tree = /. + "${servers}/postgresql-${major}";
              };
              dataDir = "${state}/${major}";
            };

            systemd.services.postgresql.serviceConfig = lib.optionalAttrs (user != "") {
              User = mkForce user;
              Group = mkForce user;
            };

            migrations.postgresql = {
              stateDirectories = [ state ];
              environment.TMPDIR = scratch;
              serviceConfig = if user == "" then mkForce { } else { User = mkForce user; };
            };
          }
        )
      ];
    }).config.system.build.toplevel;
in
{
  # The releases that had them.
  toplevels = {
    postgresql-13 = host "13" "23.05";
    postgresql-15 = host "15" "24.05";
    postgresql-17 = host "17" "25.05";
  };
}
