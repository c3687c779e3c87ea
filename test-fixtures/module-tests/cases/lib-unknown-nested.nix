# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = {
    aa = mkOption { type = types.str; };
    ab = mkOption { };
    b = mkOption { };
    abc = mkOption { };
  };
  config = {
    shown = config.x;
  }
  // {
    x.ac = 1;
  };
}
