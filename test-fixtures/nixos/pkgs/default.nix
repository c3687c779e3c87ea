# A package set in the state of one NixOS release: real names, invented contents.
{
  lib,
  system,
  release,
}:

let
  build = import ./build-support.nix {
    inherit lib system;
    inherit (packages) bash;
  };

  # Programs that say who they are and what they were asked, enough to be started in a test; those of `hostTools`
  # are the building machine's own.
  package =
    {
      pname,
      version,
      binaries ? if hostTools == [ ] then [ pname ] else [ ],
      hostTools ? [ ],
      units ? { },
      passthru ? { },
    }:
    build.mkDerivation {
      name = "${pname}-${version}";
      inherit pname version;
      # A release rebuilds everything, so that the hashes change where versions do not.
      nixpkgs = release;
      buildCommand = ''
        mkdir -p "$out/bin"
        for program in ${toString binaries}; do
          {
            echo '#!/bin/sh'
            echo "echo \"${pname} ${version}: $program \$*\""
          } > "$out/bin/$program"
          chmod +x "$out/bin/$program"
        done
        for tool in ${toString hostTools}; do
          ln -sf "$(command -v "$tool")" "$out/bin/$tool"
        done
      ''
      + lib.concatStrings (
        lib.mapAttrsToList (path: text: ''
          mkdir -p "$(dirname "$out/${path}")"
          printf '%s' ${lib.escapeShellArg text} > "$out/${path}"
        '') units
      );
      passthru = {
        inherit pname version;
      }
      // passthru;
      meta.mainProgram = lib.head (binaries ++ hostTools);
    };

  # The newest version that had been released by `release`; null before the first one.
  current =
    versions:
    let
      released = lib.filter (since: !lib.versionOlder release since) (lib.attrNames versions);
    in
    if released == [ ] then null else versions.${lib.last released};

  packages = lib.mapAttrs (
    attribute: recipe:
    let
      version = current recipe.versions;
    in
    if version == null then
      throw "${attribute} is not in the package set of ${release}"
    else
      package (
        {
          inherit version;
          pname = recipe.pname or attribute;
        }
        // removeAttrs recipe [ "versions" ]
        // lib.optionalAttrs (recipe ? passthru) { passthru = recipe.passthru version; }
      )
  ) (import ./packages.nix { inherit lib; });
in
build // packages
