# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.str; };
  config = {
    shown = config.x;
  }
  // {
    xx = 1;
  };
}
