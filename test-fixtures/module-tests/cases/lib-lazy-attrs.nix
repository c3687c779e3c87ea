# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.lazyAttrsOf types.bool; };
  config = {
    shown = config.x;
  }
  // {
    x = [ true ];
  };
}
