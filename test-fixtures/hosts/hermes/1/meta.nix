# Mail, chat and files on 24.05.
{
  release = "24.05";
  services = [
    "postgresql"
    "nextcloud"
    "matrix"
    "dovecot"
    "openldap"
  ];
}
