{ lib, ... }: { options.x = lib.mkOption { type = lib.types.attrsOf lib.types.int; }; }
