# One derivation for each unit file and one that links them all, in the shape that the release's NixOS gave them.
{
  config,
  lib,
  pkgs,
}:

let
  inherit (lib) concatMapStrings concatStrings mapAttrsToList;

  release = config.system.nixos.release;
  structured = lib.versionAtLeast release "26.11";
  units = config.systemd.units;

  pathSafe = lib.replaceStrings [ "@" ":" "\\" "[" "]" ] [ "-" "-" "-" "" "" ];
  escape = lib.replaceStrings [ "\\" ] [ "\\\\" ];

  local = {
    preferLocalBuild = true;
    allowSubstitutes = false;
  };

  # How the text reaches the builder: in a variable at first, by file since 23.11, and in the derivation's JSON
  # since nixpkgs #498934.
  withText =
    text:
    local
    // {
      text = lib.optionalString (text != null) text;
    }
    // (
      if lib.versionAtLeast release "26.05" then
        { __structuredAttrs = true; }
      else
        lib.optionalAttrs (lib.versionAtLeast release "23.11") { passAsFile = [ "text" ]; }
    );

  place =
    if lib.versionAtLeast release "26.05" || lib.versionOlder release "23.11" then
      ''printf %s "$text" > "$out/$name"''
    else
      ''mv "$textPath" "$out/$name"'';

  unitsWith =
    strategy:
    toString (
      mapAttrsToList (_: unit: unit.unit) (
        lib.filterAttrs (_: unit: unit.overrideStrategy == strategy) units
      )
    );

  links =
    suffix: field:
    concatStrings (
      mapAttrsToList (
        name: unit:
        concatMapStrings (other: ''
          mkdir -p $out/'${other}.${suffix}'
          ln -sfn '../${name}' $out/'${other}.${suffix}'/
        '') unit.${field}
      ) units
    );

  upstream = map (unit: "${unit}.target") [
    "basic"
    "multi-user"
    "network"
    "network-online"
    "reboot"
    "rescue"
    "sysinit"
  ];
in
{
  makeUnit =
    name: unit:
    if unit.enable then
      pkgs.runCommand "unit-${pathSafe name}" (withText unit.text) ''
        name=${escape name}
        mkdir -p "$out/$(dirname -- "$name")"
        ${place}
      ''
    else
      pkgs.runCommand "unit-${pathSafe name}-disabled" local ''
        name=${escape name}
        mkdir -p "$out/$(dirname "$name")"
        ln -s /dev/null "$out/$name"
      '';

  systemUnits = pkgs.runCommand "system-units" (local // { __structuredAttrs = structured; }) ''
    mkdir -p $out

    # Upstream's units.
    for i in ${toString upstream}; do
      ln -s ${pkgs.systemd}/example/systemd/system/$i $out/
    done

    # Units of packages.
    for i in ${toString config.systemd.packages}; do
      for fn in $i/lib/systemd/system/*; do
        ln -s $fn $out/
      done
    done

    # Units of the configuration; they extend a package's unit of the same name.
    for i in ${unitsWith "asDropinIfExists"}; do
      fn=$(basename $i/*)
      if [ -e $out/$fn ]; then
        if [ "$(readlink -f $i/$fn)" = /dev/null ]; then
          ln -sfn /dev/null $out/$fn
        else
          mkdir -p $out/$fn.d
          ln -s $i/$fn $out/$fn.d/overrides.conf
        fi
      else
        ln -fs $i/$fn $out/
      fi
    done

    # Units that are drop-ins whatever there is.
    for i in ${unitsWith "asDropin"}; do
      fn=$(basename $i/*)
      mkdir -p $out/$fn.d
      ln -s $i/$fn $out/$fn.d/overrides.conf
    done

    ${concatStrings (
      mapAttrsToList (
        name: unit:
        concatMapStrings (alias: ''
          ln -sfn '${name}' $out/'${alias}'
        '') unit.aliases
      ) units
    )}
    ${links "wants" "wantedBy"}
    ${links "requires" "requiredBy"}

    ln -s multi-user.target $out/default.target
    ln -s reboot.target $out/ctrl-alt-del.target
  '';
}
