# The library alone.
{ config, lib, ... }:
{
  options.x = lib.mkOption {
    type = lib.types.listOf lib.types.int;
    default = [ 0 ];
  };
  config = {
    shown = config.x;
    x = lib.mkMerge [
      (lib.mkOverride 60 [ 1 ])
      (lib.mkIf true (lib.mkForce [ 2 ]))
      (lib.mkMerge [
        (lib.mkForce [ 3 ])
        (lib.mkForce (lib.mkBefore [ 4 ]))
      ])
      (lib.mkDefault [ 5 ])
    ];
  };
}
