# The list of RFC 0155, as it stands there.
{
  systemd.services.my-service = {
    serviceConfig.ExecStart = "/bin/my-service";
    migrations = [
      {
        version = "2023-04-07";
        up.backup = ''
          # backup stateful directory
          cp -r /etc/my-state $BACKUP
        '';
        up.script = ''
          my-service-cli --run-migration /etc/service-state
        '';
        up.restore = ''
          # restore stateful directory as the script failed
          cp -r $BACKUP /etc/my-state
        '';
        down.warn = ''
          Downgrade was not attempted as the 2023 upgrade is known to be destructive.
        '';
      }
    ];
  };
}
