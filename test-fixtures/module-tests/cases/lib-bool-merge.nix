# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      true
      false
    ];
  };
}
