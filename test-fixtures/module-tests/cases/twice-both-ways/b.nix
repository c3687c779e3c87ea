{
  systemd.services.example.migrations = [ { version = "2024-04-07"; } ];
}
