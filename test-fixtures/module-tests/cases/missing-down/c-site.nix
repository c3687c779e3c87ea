{ config, lib, ... }:
{
  migrations.example = [
    {
      version = "2024-04-07";
      down.script = "down";
    }
  ];

  shown = lib.mapAttrs (_: step: {
    inherit (step) origin;
    up = step.up.script;
    down = step.down.script;
  }) config.system.build.migrations.example.steps;
}
