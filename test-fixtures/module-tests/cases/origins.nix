# Where each migration comes from, as far as that is known.
{ config, lib, ... }:
{
  migrations.example = lib.mkMerge [
    {
      steps = {
        "2023-01-01".up.script = "keyed";
        "2023-01-02" = lib.mkIf true { up.script = "conditional"; };
        "2023-01-03" = { ... }: { up.script = "a module"; };
      };
    }
    {
      steps = builtins.listToAttrs [
        {
          name = "2023-01-04";
          value.up.script = "computed";
        }
      ];
    }
    [
      {
        up.script = "listed";
        version = "2023-01-05";
      }
    ]
  ];

  shown = lib.mapAttrs (_: step: step.origin) config.system.build.migrations.example.steps;
}
