# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.anything; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      { a = 1; }
      { a = "1"; }
    ];
  };
}
