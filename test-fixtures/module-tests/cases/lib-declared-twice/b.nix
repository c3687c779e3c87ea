{ config, lib, ... }: {
  options.x = lib.mkOption {
    type = lib.types.str;
    default = "b";
  };
  config.shown = config.x;
}
