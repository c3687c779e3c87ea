# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.submodule {
      freeformType = types.attrsOf types.int;
      options.y = mkOption {
        type = types.str;
        default = "y";
      };
    };
  };
  config = {
    shown = config.x;
  }
  // {
    x = {
      a = 1;
      b = lib.mkDefault 2;
    };
  };
}
