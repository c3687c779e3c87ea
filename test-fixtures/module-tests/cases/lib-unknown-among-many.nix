# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = lib.genAttrs (map (n: "option${toString n}") (lib.range 1 120)) (
    _: mkOption { default = 1; }
  );
  config = {
    shown = config.x;
  }
  // {
    x.optoin7 = 1;
  };
}
