{ config, lib, ... }:
{
  imports = [
    ./b.nix
    { list = [ "inline" ]; }
    ({ extra, ... }: { list = [ extra ]; })
    (lib.mkIf true { list = [ "conditional" ]; })
  ];
  options.list = lib.mkOption { type = lib.types.listOf lib.types.str; };
  config.list = [ "a" ];
  config._module.args.extra = "argument";
  config.shown = config.list;
}
