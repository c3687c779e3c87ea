# A service whose migration needs the service itself.
{
  systemd.services.example.migrations.requires = [ "example.service" ];
}
