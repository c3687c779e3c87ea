# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.attrsOf (types.submodule { options.y = mkOption { type = types.int; }; });
  };
  config = {
    shown = config.x;
  }
  // {
    x."a b" = { };
  };
}
