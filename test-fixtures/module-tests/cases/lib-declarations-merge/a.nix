{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    default = { };
    type = types.attrsOf (
      types.submodule {
        options.list = mkOption { type = types.listOf types.int; };
        config.list = [ 1 ];
      }
    );
  };
  options.y = mkOption {
    default = { };
    type = types.submodule { freeformType = types.lazyAttrsOf types.int; };
  };
  config.x.a.list = [ 2 ];
}
