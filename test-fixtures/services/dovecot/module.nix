{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.dovecot2;
in
{
  options.services.dovecot2 = {
    enable = lib.mkEnableOption "the Dovecot mail server";
    mailLocation = lib.mkOption {
      type = lib.types.str;
      default = "/var/vmail";
      description = "Where the mail is.";
    };
  };

  config.systemd.services.dovecot2 = lib.mkIf cfg.enable {
    description = "Dovecot IMAP/POP3 server";
    aliases = [ "dovecot.service" ];
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    restartTriggers = [ cfg.mailLocation ];
    serviceConfig = {
      ExecStart = "${pkgs.dovecot}/bin/dovecot -F";
      ExecReload = "${pkgs.dovecot}/bin/doveadm reload";
      Restart = "on-failure";
      RuntimeDirectory = [ "dovecot2" ];
    };
  };
}
