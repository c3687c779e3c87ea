# The library alone.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.x = mkOption { type = types.int; };
  config = {
    shown = config.x;
  }
  // {
    x = {
      a.b.c.d.e.f.g.h.i.j.k.l.m = 1;
    };
  };
}
