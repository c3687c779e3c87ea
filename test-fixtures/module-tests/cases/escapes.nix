# What systemd would read otherwise than it is written.
{ config, lib, ... }:
{
  migrations.example = {
    requiredBy = [ "example@a\\x2db.service" ];
    requires = [ "dev-disk-by\\x2dlabel-data.device" ];
    stateDirectories = [
      "/var/lib/plain-1.0_2@x:y"
      "/var/lib/with space"
      "/var/lib/50%"
      "/var/lib/a \"quoted\" 50%"
      "/var/lib/back\\slash"
      "/var/lib/été"
    ];
    serviceConfig.Environment = "A=$B %n \\";
  };
  shown = lib.filter (
    line:
    lib.any (key: lib.hasPrefix key line) [
      "After="
      "Before="
      "Requires"
      "X-Migration-"
    ]
  ) (lib.splitString "\n" config.systemd.units."migrate-example.service".text);
}
