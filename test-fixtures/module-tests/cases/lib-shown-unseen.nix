# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.bool; };
  config = {
    shown = config.x;
  }
  // {
    x = {
      a = throw "unseen";
    };
  };
}
