# Evaluates a NixOS configuration of the fixtures: `modules` over the miniature NixOS of ./modules and the
# package set of one release.
{
  lib,
  release,
  system ? builtins.currentSystem or "x86_64-linux",
  # The services that this nixpkgs has, for whoever makes a system within the system.
  nixpkgsModules ? [ ],
  # What a package set has in place of, or besides, that of the release.
  overlay ? _: { },
  modules,
}:

let
  packages = import ./pkgs { inherit lib system release; };
  pkgs = packages // overlay packages;

  evaluate =
    modules:
    lib.evalModules {
      modules = import ./modules/module-list.nix ++ modules;
      specialArgs = {
        inherit nixpkgsModules pkgs;
        # How specialisations and containers, systems within the system, come to be.
        evaluateSystem = evaluate;
        systemModules = modules;
        nixosRelease = release;
      };
    };
in
evaluate (nixpkgsModules ++ modules)
