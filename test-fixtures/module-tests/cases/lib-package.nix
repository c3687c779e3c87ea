# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.package; };
  config = {
    shown = config.x;
  }
  // {
    x = "/etc/passwd";
  };
}
