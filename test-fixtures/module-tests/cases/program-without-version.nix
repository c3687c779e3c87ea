{ pkgs, ... }:
{
  migrations.postgresql = {
    package = removeAttrs (pkgs.package "postgresql" "17.2") [ "version" ] // {
      name = "postgresql";
    };
    steps."2023-09-14".program = "16";
  };
}
