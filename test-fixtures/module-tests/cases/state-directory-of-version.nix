{ pkgs, ... }:
{
  migrations.postgresql = {
    package = pkgs.postgresql;
    stateDirectories = [ "/var/lib/postgresql/17" ];
  };
}
