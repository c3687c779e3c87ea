# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.lines; };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      (lib.mkAfter "c")
      "b"
      (lib.mkBefore "a")
      (lib.mkIf false "d")
    ];
  };
}
