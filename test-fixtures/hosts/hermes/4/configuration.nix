{ pkgs, ... }:

{
  networking.hostName = "hermes";

  services = {
    nixmig.enable = true;

    postgresql.enable = true;
    postgresql.package = pkgs.postgresql_15;

    nextcloud.enable = true;
    nextcloud.package = pkgs.nextcloud30;

    dovecot2.enable = true;
    openldap.enable = true;
  };

  services.matrix.instances.prod.workers = [
    "federation"
    "media"
  ];
}
