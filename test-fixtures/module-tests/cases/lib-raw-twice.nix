# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.raw; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      "a"
      "a"
    ];
  };
}
