{ pkgs, ... }:

{
  networking.hostName = "atlas";
  system.stateVersion = "23.05";

  services = {
    postgresql = {
      enable = true;
      package = pkgs.postgresql_17;
    };

    forgejo.enable = true;
    inventory.enable = true;
  };
}
