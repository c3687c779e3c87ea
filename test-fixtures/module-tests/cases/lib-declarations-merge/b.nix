{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption {
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options.more = mkOption { type = types.str; };
          config.more = "${name} ${toString config.list}";
          config.list = lib.mkBefore [ 3 ];
        }
      )
    );
  };
  options.y.z = mkOption {
    type = types.int;
    default = 1;
  };
  config.y.free = 2;
  config.x.a.list = [ 4 ];
  config.shown = { inherit (config) x y; };
}
