# A digest tells what the author wrote, not which store paths it came to.
{ config, lib, ... }:
let
  hash = lib.concatStrings (lib.genList (_: "a") 32);
  other = lib.concatStrings (lib.genList (_: "b") 32);
  digest = name: config.system.build.migrations.${name}.steps."2023-04-07".up.digest;
  with' = up: { steps."2023-04-07" = { inherit up; }; };
in
{
  migrations = {
    none = with' { };
    empty = with' { script = ""; };
    warn = with' { warn = ""; };
    one = with' { script = "/nix/store/${hash}-tool/bin/tool"; };
    rebuilt = with' { script = "/nix/store/${other}-tool/bin/tool"; };
    elsewhere = with' { script = "/tmp/x/store/${other}-tool/bin/tool"; };
    edited = with' { script = "/nix/store/${hash}-tool-2/bin/tool"; };
    moved = with' { verify = "/nix/store/${hash}-tool/bin/tool"; };
    accents = with' { script = "écho \"ß\"\n\ttab"; };
  };
  shown = {
    digests = lib.mapAttrs (name: _: digest name) config.migrations;
    rebuilt = digest "rebuilt" == digest "one" && digest "elsewhere" == digest "one";
  };
}
