{ lib, ... }: { migrations.${lib.concatStrings (lib.genList (_: "x") 178)} = [ ]; }
