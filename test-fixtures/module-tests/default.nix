# One case: what it shows, as indented JSON, or its error. A case is a module, `cases/NAME.nix`, or all modules of a
# directory, `cases/NAME`.
{
  name,
  # A directory that has nixpkgs' lib/ in it; the stand-in without one.
  nixpkgs ? "",
}:

let
  lib = import (if nixpkgs == "" then ../lib else /. + "${nixpkgs}/lib");
  inherit (lib) concatStringsSep;

  case = ./cases + "/${name}";
  modules =
    if builtins.pathExists case then
      map (file: case + "/${file}") (builtins.attrNames (builtins.readDir case))
    else
      [ (./cases + "/${name}.nix") ];

  evaluated = lib.evalModules {
    modules = [
      ./systemd.nix
      ../../nixpkgs-patches/nixos/modules/system/migrations
      {
        _module.args.pkgs = import ./pkgs.nix { inherit lib; };
        services.nixmig.enable = lib.mkDefault true;
      }
    ]
    ++ modules;
  };

  # JSON with one value a line, for whoever reads what changed.
  render =
    indent: value:
    let
      inner = "${indent}  ";
      block =
        open: close: lines:
        "${open}\n${concatStringsSep ",\n" (map (line: inner + line) lines)}\n${indent}${close}";
    in
    if lib.isAttrs value && !lib.isDerivation value && value != { } then
      block "{" "}" (lib.mapAttrsToList (key: part: "${builtins.toJSON key}: ${render inner part}") value)
    else if lib.isList value && value != [ ] then
      block "[" "]" (map (render inner) value)
    else
      builtins.toJSON value;
in
{
  output = render "" evaluated.config.shown + "\n";
  version = lib.version;
}
