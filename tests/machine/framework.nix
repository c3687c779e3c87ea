# A stand-in for the options of NixOS's test framework (nixos/lib/testing/*.nix in nixpkgs) that test modules set: the same names
# and meanings, over the miniature NixOS.
{
  lib,
  # Evaluates the modules of a system, as `extendModules` would.
  evaluate,
}:

{ config, ... }:

let
  inherit (lib) mkOption types;

  system = lib.mkOptionType {
    name = "NixOS configuration";
    merge = _: defs: (evaluate (map (def: def.value) (defs ++ [ { value = config.defaults; } ]))).config;
  };
in
{
  options = {
    name = mkOption {
      type = types.str;
      description = "The test's name.";
    };

    meta = mkOption {
      type = types.lazyAttrsOf types.raw;
      default = { };
      description = "Who looks after the test.";
    };

    defaults = mkOption {
      type = types.deferredModule;
      default = { };
      description = "What all nodes have.";
    };

    nodes = mkOption {
      type = types.lazyAttrsOf system;
      default = { };
      description = "The machines.";
    };

    testScript = mkOption {
      type = types.either types.str (types.functionTo types.str);
      description = "What is done with them, in Python.";
    };

    testScriptString = mkOption {
      type = types.str;
      readOnly = true;
      internal = true;
      description = "The same, with the nodes.";
    };
  };

  config.testScriptString =
    if lib.isFunction config.testScript then
      config.testScript { inherit (config) nodes; }
    else
      config.testScript;
}
