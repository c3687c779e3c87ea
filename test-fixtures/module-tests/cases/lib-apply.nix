# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.int;
    apply = n: n + 1;
  };
  config = {
    shown = config.x;
  }
  // {
    x = lib.mkIf true 1;
  };
}
