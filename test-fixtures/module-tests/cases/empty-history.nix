# A history without migrations still has its gate: state may have to come down to it.
{
  systemd.services.example.serviceConfig.ExecStart = "/bin/example";
  migrations.example = [ ];
}
