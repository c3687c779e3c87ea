# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.either types.int (types.listOf types.int); };
  config = {
    shown = config.x;
  }
  // {
    x = true;
  };
}
