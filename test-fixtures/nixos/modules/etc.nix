# `environment.etc` and the derivation that holds it, with the script that NixOS builds it by.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkDefault mkOption types;

  # As NixOS writes it: what is more than letters and digits stands in quotes.
  osRelease =
    let
      inherit (config.system) nixos;
      quoted =
        value: if builtins.match "[a-zA-Z0-9]+" value != null then value else builtins.toJSON value;
    in
    lib.concatStrings (
      lib.mapAttrsToList (key: value: "${key}=${quoted value}\n") {
        NAME = "NixOS";
        ID = "nixos";
        VERSION = "${nixos.release} (Fixture)";
        VERSION_CODENAME = "fixture";
        VERSION_ID = nixos.release;
        BUILD_ID = nixos.version;
        PRETTY_NAME = "NixOS ${nixos.release} (Fixture)";
      }
    );

  entries = lib.filter (entry: entry.enable) (lib.attrValues config.environment.etc);

  structured = lib.versionAtLeast config.system.nixos.release "26.11";

  etc = pkgs.runCommandLocal "etc" { __structuredAttrs = structured; } ''
    makeEtcEntry() {
      src="$1"
      target="$2"
      mode="$3"
      user="$4"
      group="$5"

      mkdir -p "$out/etc/$(dirname "$target")"
      ln -s "$src" "$out/etc/$target"

      if [ "$mode" != symlink ]; then
        echo "$mode" > "$out/etc/$target.mode"
        echo "$user" > "$out/etc/$target.uid"
        echo "$group" > "$out/etc/$target.gid"
      fi
    }

    mkdir -p "$out/etc"
    ${lib.concatMapStringsSep "\n" (
      entry:
      lib.escapeShellArgs [
        "makeEtcEntry"
        "${entry.source}"
        entry.target
        entry.mode
        "+0"
        "+0"
      ]
    ) entries}
  '';
in
{
  options.environment.etc = mkOption {
    default = { };
    description = "Files linked into `/etc`.";
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            enable = mkOption {
              type = types.bool;
              default = true;
              description = "Whether the file is made.";
            };
            target = mkOption {
              type = types.str;
              default = name;
              description = "Its name below `/etc`.";
            };
            text = mkOption {
              type = types.nullOr types.lines;
              default = null;
              description = "Its text.";
            };
            source = mkOption {
              type = types.path;
              description = "What it links to.";
            };
            mode = mkOption {
              type = types.str;
              default = "symlink";
              description = "Its mode, where it is to be a copy.";
            };
          };
          config.source = lib.mkIf (config.text != null) (
            mkDefault (pkgs.writeText "etc-${baseNameOf name}" config.text)
          );
        }
      )
    );
  };

  config = {
    environment.etc = {
      os-release.text = osRelease;
      hostname.text = config.networking.hostName + "\n";
    };
    system.build.etc = etc;
  };
}
