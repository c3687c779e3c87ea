# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = {
    y = mkOption { };
  };
  config = {
    shown = config.x;
  }
  // {
    x = 1;
  };
}
