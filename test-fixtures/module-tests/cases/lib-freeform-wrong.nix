# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.submodule { freeformType = types.attrsOf types.int; }; };
  config = {
    shown = config.x;
  }
  // {
    x.a = "1";
  };
}
