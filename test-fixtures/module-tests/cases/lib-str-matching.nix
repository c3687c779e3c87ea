# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.strMatching "[a-z]+"; };
  config = {
    shown = config.x;
  }
  // {
    x = "A";
  };
}
