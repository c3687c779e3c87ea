# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.submodule { };
    default = { };
  };
  config = {
    shown = config.x;
  }
  // {
    x.a.b = 1;
  };
}
