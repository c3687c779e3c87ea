# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.bool; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      "1\n2\n3"
      (x: x)
      [ 1 ]
      { }
    ];
  };
}
