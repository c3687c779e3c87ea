# One release on: what changes is how nixpkgs makes unit files. Mastodon is off, and Dovecot's step is taken out, so that
# its gate stays with an empty history.
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
