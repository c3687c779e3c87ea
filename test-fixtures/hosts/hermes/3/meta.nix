# PostgreSQL 15 → 17 in one step, Nextcloud 31, whose migration says nothing of the way back; a specialisation
# without Nextcloud.
{
  release = "25.05";
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
