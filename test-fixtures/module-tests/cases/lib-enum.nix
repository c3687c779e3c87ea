# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.enum [
      "a"
      1
      true
    ];
  };
  config = {
    shown = config.x;
  }
  // {
    x = "b";
  };
}
