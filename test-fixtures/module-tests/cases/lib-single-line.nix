# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.singleLineStr; };
  config = {
    shown = config.x;
  }
  // {
    x = "a\nb";
  };
}
