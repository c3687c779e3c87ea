# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.attrsOf (types.listOf types.bool); };
  config = {
    shown = config.x;
  }
  // {
    x.a.b = true;
  };
}
