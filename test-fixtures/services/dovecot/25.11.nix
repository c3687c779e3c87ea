# Dovecot 2.4 reads index files of 2.3 and writes them anew. Mail is too much to copy, so nothing protects this step.
{
  config,
  lib,
  pkgs,
  ...
}:

{
  migrations.dovecot2 = lib.mkIf config.services.dovecot2.enable {
    steps."2025-01-24" = {
      up.script = ''
        ${pkgs.findutils}/bin/find ${config.services.dovecot2.mailLocation} -name 'dovecot.index*' -delete
      '';
      down.script = ''
        ${pkgs.findutils}/bin/find ${config.services.dovecot2.mailLocation} -name 'dovecot.index*' -delete
      '';
    };
  };
}
