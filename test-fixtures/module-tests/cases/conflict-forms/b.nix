{ lib, ... }:
{
  systemd.services.example.serviceConfig.ExecStart = "/bin/example";
  migrations.example.steps = [
    (lib.mkMerge [
      {
        version = "2023-04-07";
        up.script = "another";
      }
    ])
  ];
}
