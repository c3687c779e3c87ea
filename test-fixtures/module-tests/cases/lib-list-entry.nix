# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.listOf types.int; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      [ 1 ]
      [
        2
        "b"
      ]
    ];
  };
}
