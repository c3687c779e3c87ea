# Keyed form, list form, and a list in place of the service make one gate.
{ config, lib, ... }:
let
  action = script: {
    inherit script;
    verify = "true";
  };
  older = {
    up = action "older";
  };
  newer = {
    up = action "newer";
    down = action "back";
  };
  list = [
    (newer // { version = "2024-02-29"; })
    (older // { version = "2023-04-07"; })
  ];
in
{
  migrations.a.steps = {
    "2023-04-07" = older;
    "2024-02-29" = newer;
  };
  migrations.b.steps = list;
  migrations.c = list;
  systemd.services.d.migrations = list;

  shown =
    let
      gate =
        name:
        lib.replaceStrings
          [ " ${name}\n" "-${name}-" "=${name}\n" " ${name} " "=${name}.service" ]
          [ " X\n" "-X-" "=X\n" " X " "=X.service" ]
          config.systemd.units."migrate-${name}.service".text;
      masked =
        name:
        lib.concatStringsSep "/-" (
          lib.filter lib.isString (builtins.split "/nix/store/[0-9a-z]{32}-" (gate name))
        );
    in
    {
      a = lib.filter lib.isString (builtins.split "\n" (masked "a"));
      same = map (name: masked name == masked "a") [
        "b"
        "c"
        "d"
      ];
    };
}
