# `containers.<name>`: systems that run beside the host's own services, each with its own closure.
{
  config,
  lib,
  pkgs,
  evaluateSystem,
  ...
}:

let
  inherit (lib)
    mkIf
    mkOption
    mkOptionType
    types
    ;

  contained =
    name:
    mkOptionType {
      name = "NixOS configuration";
      merge =
        loc: defs:
        (evaluateSystem (map (def: def.value) defs ++ [ { networking.hostName = lib.mkDefault name; } ]))
        .config;
    };
in
{
  options.containers = mkOption {
    default = { };
    description = "Systems that run as containers.";
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            config = mkOption {
              type = contained name;
              description = "The system inside.";
            };
            path = mkOption {
              type = types.path;
              default = config.config.system.build.toplevel;
              description = "The closure of the system inside.";
            };
            autoStart = mkOption {
              type = types.bool;
              default = false;
              description = "Whether it starts with the host.";
            };
          };
        }
      )
    );
  };

  config = mkIf (config.containers != { }) {
    environment.etc = lib.mapAttrs' (
      name: container:
      lib.nameValuePair "nixos-containers/${name}.conf" {
        text = ''
          SYSTEM_PATH=${container.path}
          COPY_RESOLV_CONF=0
          PRIVATE_USERS=no
          INTERFACES=""
          MACVLANS=""
        ''
        + lib.optionalString container.autoStart ''
          AUTO_START=1
        '';
      }
    ) config.containers;

    systemd.services = lib.mapAttrs' (
      name: container:
      lib.nameValuePair "container@${name}" {
        description = "Container '%i'";
        wantedBy = lib.optional container.autoStart "multi-user.target";
        environment.INSTANCE = "%i";
        environment.root = "/var/lib/nixos-containers/%i";
        restartIfChanged = false;
        unitConfig.RequiresMountsFor = [ "/var/lib/nixos-containers/%i" ];
        script = ''
          exec ${pkgs.systemd}/bin/systemd-nspawn -M "$INSTANCE" -D "$root" "$SYSTEM_PATH/init"
        '';
        serviceConfig = {
          EnvironmentFile = "-/etc/nixos-containers/%i.conf";
          Type = "notify";
          Slice = "machine.slice";
          Delegate = true;
        };
      }
    ) config.containers;
  };
}
