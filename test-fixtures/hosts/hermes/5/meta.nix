# Mastodon, with the RFC's own spelling, and Jellyfin, whose unit is its package's.
{
  release = "25.11";
  services = [
    "postgresql"
    "nextcloud"
    "matrix"
    "dovecot"
    "openldap"
    "mastodon"
    "redis"
    "jellyfin"
  ];
}
