# What has nothing to do with the rest lives in containers, each of which migrates inside itself.
{ nixpkgsModules, ... }:

{
  containers.registry = {
    autoStart = true;
    config = {
      imports = nixpkgsModules;
      services.nixmig.enable = true;
      services.consul.enable = true;
    };
  };

  containers.wiki = {
    autoStart = true;
    config =
      { pkgs, ... }:
      {
        imports = nixpkgsModules;
        services.nixmig.enable = true;
        services.mysql = {
          enable = true;
          package = pkgs.mariadb_114;
        };
      };
  };
}
