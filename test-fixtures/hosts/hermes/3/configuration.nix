{ lib, pkgs, ... }:

{
  networking.hostName = "hermes";

  services = {
    nixmig.enable = true;

    postgresql.enable = true;
    postgresql.package = pkgs.postgresql_17;

    nextcloud.enable = true;
    nextcloud.package = pkgs.nextcloud31;

    dovecot2.enable = true;
    openldap.enable = true;
  };

  services.matrix.instances = {
    prod.workers = [
      "federation"
      "media"
    ];
    test = { };
  };

  # Mail goes on while the files are worked on.
  specialisation.maintenance.configuration = {
    services.nextcloud.enable = lib.mkForce false;
  };
}
