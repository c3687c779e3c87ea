# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.oneOf [
      types.int
      types.str
      (types.attrsOf types.int)
    ];
  };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkMerge [
      1
      "a"
    ];
  };
}
