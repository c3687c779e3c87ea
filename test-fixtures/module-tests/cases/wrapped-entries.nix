# Conditions and priorities around entries and in them, in list form and in keyed form.
{ config, lib, ... }:
let
  inherit (lib)
    mapAttrs
    mkAfter
    mkBefore
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOverride
    ;
in
{
  migrations = mkMerge [
    {
      list = [
        {
          version = "2020-01-01";
          up.script = "plain";
        }
        (mkIf true {
          version = "2020-01-02";
          up.script = "on";
        })
        (mkIf false {
          version = "2020-01-03";
          up.script = "off";
        })
        (mkMerge [
          {
            version = "2020-01-04";
            up.script = "first of two";
          }
          (mkIf true {
            version = "2020-01-05";
            up.script = mkIf true "second of two";
            down.script = mkIf false "off";
          })
        ])
        (mkDefault {
          version = "2020-01-06";
          up.script = "default";
        })
        (mkIf (config.migrations.keyed.steps != { }) (mkForce {
          version = "2020-01-07";
          up.script = "forced";
        }))
        {
          version = "2020-01-08";
          up.script = mkDefault "default";
        }
      ];
    }
    (mkIf true {
      list = mkIf true [
        {
          version = "2020-01-06";
          up.script = "set";
        }
        (mkOverride 90 {
          version = "2020-01-07";
          up.script = "weaker";
          down.script = "dropped with it";
        })
        {
          version = "2020-01-08";
          up.script = "set";
        }
      ];
    })
    (mkIf false { list.steps."2020-01-09".up.script = "off"; })
    {
      keyed.steps = mkMerge [
        {
          "2021-01-01" = mkIf true { up.script = "on"; };
          "2021-01-02" = mkIf false { up.script = "off"; };
          "2021-01-03" = mkMerge [
            { up.script = "up"; }
            { down.script = "down"; }
          ];
          "2021-01-04" = mkDefault { up.script = "default"; };
          "2021-01-05".up = mkForce { script = "forced"; };
        }
        (mkIf true {
          "2021-01-04" = {
            up.script = "set";
          };
          "2021-01-05".up.script = "weaker";
        })
      ];
      ordered.steps = mkMerge [
        (mkAfter [
          {
            version = "2021-01-02";
            up.script = "b";
          }
        ])
        (mkBefore {
          "2021-01-01".up.script = "a";
        })
      ];
      replaced.steps = mkForce [
        {
          version = "2022-01-01";
          up.script = "alone";
        }
      ];
    }
    { replaced.steps."2022-01-02".up.script = "lost"; }
  ];

  shown = mapAttrs (
    _: service:
    mapAttrs (_: step: {
      up = step.up.script;
      down = step.down.script;
    }) service.steps
  ) config.system.build.migrations;
}
