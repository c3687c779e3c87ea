# A stand-in for the part of nixpkgs' `lib` that the NixOS module and the fixtures use: `import ./lib` in place of
# `import <nixpkgs/lib>`. What it has behaves as there, error messages to the byte; what it lacks is not used here.
# Expected outputs of tests come from the real library, so a difference shows as a failing test.
let
  lists = import ./lists.nix;
  strings = import ./strings.nix { inherit lib; };
  attrsets = import ./attrsets.nix { inherit lib; };
  functions = import ./functions.nix { inherit lib; };
  options = import ./options.nix { inherit lib; };
  modules = import ./modules.nix { inherit lib; };
  types = import ./types.nix { inherit lib; };
  generators = import ./generators.nix { inherit lib; };

  lib =
    lists
    // strings
    // attrsets
    // functions
    // options
    // modules
    // {
      inherit
        attrsets
        generators
        lists
        modules
        options
        strings
        types
        ;
      inherit (types) isOptionType mkOptionType;
      trivial = functions;
      version = "stand-in";
    };
in
lib
