# One release on: what changes is how nixpkgs makes unit files, and Mastodon is off.
{
  release = "26.05";
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
