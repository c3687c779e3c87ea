# Every key that a gate can have.
{ pkgs, ... }:
{
  systemd.services.postgresql.serviceConfig.ExecStart = "/bin/postgres";
  migrations.postgresql = {
    requires = [ "redis.service" ];
    stateDirectories = [ "/var/lib/postgresql" ];
    package = pkgs.postgresql;
    detect = "cat /var/lib/postgresql/version";
    oldest = "2021-01-01";
    acknowledge = [
      "2024-10-01"
      "2023-09-14"
      "2023-09-14"
    ];
    path = [ (pkgs.package "jq" "1.7") ];
    environment = {
      PGPORT = "5433";
      LANG = null;
      CONFIGURATION = /etc/postgresql.conf;
      CLIENT = pkgs.postgresql;
    };
    serviceConfig = {
      User = "postgres";
      PrivateTmp = true;
      Nice = 5;
      LoadCredential = [ "password:/run/keys/password" ];
      EnvironmentFile = /run/keys/environment;
    };
    steps."2023-09-14" = {
      program = "16";
      cumulative = true;
      up = {
        script = "upgrade \"$OLD_PACKAGE\" \"$NEW_PACKAGE\"";
        warn = ''
          Indexes on text are rebuilt: 100 % "sure".
          This takes a while.
        '';
        backup = "cp -a /var/lib/postgresql \"$BACKUP\"";
        restore = "restore";
        verify = "verify";
      };
      down.script = "downgrade";
    };
    steps."2024-10-01" = {
      program = "17";
      down = {
        script = "";
        warn = "ends in a backslash \\";
        backup = "backup";
        restore = "restore";
        verify = "verify";
      };
    };
  };
}
