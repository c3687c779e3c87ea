# What makes a system of the miniature NixOS one that boots and switches: the scripts that NixOS has for that, cut down to what
# a guest needs, in the same order. Its programs are the guest's own.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  inherit (config.system.etc) overlay;

  script =
    name: path: variables:
    pkgs.writeScript name (
      lib.concatStrings (
        [ "#!/bin/sh\n" ]
        ++ lib.mapAttrsToList (key: value: "export ${key}=${value}\n") variables
        ++ [ "exec ${path} \"$@\"\n" ]
      )
    );

  # $out of the system that is being built.
  out = "@out@";
in
{
  options.system = {
    etc.overlay = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether /etc is mounted, as NixOS would by an overlay.";
      };
      mutable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether anybody can write to it then.";
      };
    };
  };

  config = {
    environment.systemPackages = [ pkgs.systemd ];
    environment.etc.hosts.text = "127.0.0.1 localhost\n";

    system.systemBuilderCommands = lib.mkAfter ''
      rm $out/activate $out/bin/switch-to-configuration
      for file in activate init switch-to-configuration; do
        case $file in
          activate) source=${
            script "activate" ./activate {
              SYSTEM_CONFIG = out;
              ETC_READ_ONLY = lib.optionalString (overlay.enable && !overlay.mutable) "1";
            }
          } target=activate ;;
          init) source=${script "init" ./init { SYSTEM_CONFIG = out; }} target=init ;;
          switch-to-configuration) source=${
            script "switch-to-configuration" ./switch-to-configuration {
              TOPLEVEL = out;
              PRE_SWITCH_CHECK = config.system.preSwitchChecks.script;
              INSTALL_BOOTLOADER = ./install-boot-loader;
            }
          } target=bin/switch-to-configuration ;;
        esac
        sed "s|@out@|$out|g" "$source" > "$out/$target"
        chmod +x "$out/$target"
      done
    '';
  };
}
