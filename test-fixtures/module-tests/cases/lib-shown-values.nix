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
      string = "a \"b\" \${c} \\ ''";
      lines = "a\nb\n";
      "odd name" = 1.5;
      "if" = null;
      f = x: x;
      g =
        {
          a,
          b ? 1,
        }:
        a;
      d = {
        type = "derivation";
        name = "d";
      };
      p = /etc;
      l = [
        [ ]
        { }
        true
      ];
    };
  };
}
