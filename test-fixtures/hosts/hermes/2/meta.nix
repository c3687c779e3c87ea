# Nextcloud 28 → 30, two majors at once; a second homeserver, workers for the first, and two containers.
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
