# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.enum [ ]; };
  config = {
    shown = config.x;
  }
  // {
    x = "b";
  };
}
