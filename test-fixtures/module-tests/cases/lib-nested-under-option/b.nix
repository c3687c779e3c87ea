{ config, lib, ... }: {
  options.x.y = lib.mkOption {
    type = lib.types.int;
    default = 1;
  };
  config.shown = config.x;
}
