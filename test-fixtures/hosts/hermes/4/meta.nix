# Back on 24.11: PostgreSQL 15 and Nextcloud 30, of which the latter has no way down; the second homeserver is gone.
{
  release = "24.11";
  services = [
    "postgresql"
    "nextcloud"
    "matrix"
    "dovecot"
    "openldap"
    "mysql"
    "consul"
  ];
}
