# One small system as each kind of NixOS writes its derivations: the texts of units in a variable, by file, and in
# structured attributes. ./make instantiates them.
let
  lib = import ../lib;

  postgresql = {
    requiredBy = [ "postgresql.service" ];
    stateDirectories = [ "/var/lib/postgresql" ];
    steps."2023-09-14" = {
      program = "16";
      up = {
        script = "echo 'up \"to\" 16'";
        warn = "Takes a while.\nReally.";
      };
      down.script = "echo down";
    };
  };

  host =
    { config, pkgs, ... }:
    let
      package = name: version: pkgs.runCommand "${name}-${version}" { } "mkdir -p $out/bin";
      wiki = package "wiki" "2.0";
    in
    {
      networking.hostName = "small";
      # The user's own words, of which the release does not come.
      system.nixos.label = "with-25.05-tag";
      services.nixmig.enable = true;

      migrations.postgresql = postgresql // {
        package = package "postgresql" "16.4";
      };
      migrations.wiki = {
        requiredBy = [ "wiki@main.service" ];
        package = wiki;
        steps."2024-01-01".up.script = "true";
      };
      migrations.masked = {
        requiredBy = [ "app.service" ];
        steps."2024-02-02".up.script = "true";
      };

      systemd.units."migrate-masked.service".enable = false;

      systemd.services = {
        postgresql = {
          aliases = [ "database.service" ];
          path = [ config.migrations.postgresql.package ];
          script = "exec postgres";
        };
        "wiki@main" = {
          overrideStrategy = "asDropin";
          serviceConfig.ExecStart = "${wiki}/bin/wiki";
        };
        app.serviceConfig.ExecStart = "${package "app" "1.2"}/bin/app";
        # A package brings the unit, and the configuration adds to it.
        jellyfin.wantedBy = [ "multi-user.target" ];
        redis.serviceConfig.ExecStart = "${package "redis" "7.2.6"}/bin/redis-server";
        # Its program is named in a script alone.
        grafana.script = "exec ${package "grafana" "12.0.2"}/bin/grafana server";
        gitea.enable = false;
      };
      systemd.packages = [ (package "jellyfin" "10.11.3") ];
    };

  system =
    release:
    (import ../nixos {
      inherit lib release;
      system = "x86_64-linux";
      modules = [
        ../../nixpkgs-patches/nixos/modules/system/migrations
        host
        {
          specialisation.other.configuration.networking.hostName = lib.mkForce "other";
          containers.inner.config = {
            imports = [ ../../nixpkgs-patches/nixos/modules/system/migrations ];
          };
        }
      ];
    }).config.system.build.toplevel;
in
{
  variable = system "23.05";
  file = system "25.05";
  structured = system "26.11";
}
