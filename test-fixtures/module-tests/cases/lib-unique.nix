# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.uniq types.str; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      "a"
      "b"
    ];
  };
}
