{ pkgs, ... }:

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
    mastodon.enable = true;
    jellyfin.enable = true;
    redis.servers.mastodon.enable = true;
  };

  services.matrix.instances.prod.workers = [ "federation" ];

  migrations.jellyfin.acknowledge = [ "2025-10-19" ];
  migrations.nextcloud.acknowledge = [
    "2023-12-12"
    "2024-04-24"
    "2024-09-14"
    "2025-02-25"
  ];
}
