{ pkgs, ... }:
{
  systemd.services.postgresql.migrations = {
    package = pkgs.package "postgresql" "unstable-2024-01-01";
    steps."2023-09-14".program = "16";
  };
}
