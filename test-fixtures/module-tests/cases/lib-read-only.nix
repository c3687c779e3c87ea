# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.str;
    default = "a";
    readOnly = true;
  };
  config = {
    shown = config.x;
  }
  // {
    x = "b";
  };
}
