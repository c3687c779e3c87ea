# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = {
    y = types.str;
  };
  config = {
    shown = config.x;
  }
  // { };
}
