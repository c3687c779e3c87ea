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
      { a.b = 1; }
      {
        a.c = [ 1 ];
        d = "e";
      }
    ];
  };
}
