# `specialisation.<name>`: the same system with something changed, linked into its parent.
{
  config,
  lib,
  evaluateSystem,
  systemModules,
  ...
}:

let
  inherit (lib) mkOption mkOptionType types;

  # A module that is evaluated on top of the parent's; a specialisation has none of its own.
  specialised = mkOptionType {
    name = "NixOS configuration";
    merge =
      loc: defs:
      (evaluateSystem (
        systemModules ++ map (def: def.value) defs ++ [ { specialisation = lib.mkForce { }; } ]
      )).config;
  };
in
{
  options.specialisation = mkOption {
    default = { };
    description = "Further systems to choose from at boot.";
    type = types.attrsOf (
      types.submodule {
        options.configuration = mkOption {
          type = specialised;
          default = { };
          description = "What differs from this system.";
        };
      }
    );
  };

  config.system.systemBuilderCommands = ''
    mkdir $out/specialisation
    ${lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: child: "ln -s ${child.configuration.system.build.toplevel} $out/specialisation/${name}"
      ) config.specialisation
    )}
  '';
}
