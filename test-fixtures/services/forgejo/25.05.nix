{ config, lib, ... }:

let
  inherit (lib) mkIf;
  cfg = config.services.forgejo;
in
{
  # 11.0 stores two-factor secrets with a new key derivation.
  migrations.forgejo = mkIf cfg.enable {
    steps."2025-04-16" = {
      up.script = ''
        "$NEW_PACKAGE/bin/forgejo" migrate
      '';
      up.warn = ''
        Two-factor secrets are written anew. Under Forgejo 10 every user would have to enrol again.
      '';
      down.script = ''
        "$OLD_PACKAGE/bin/forgejo" admin user reset-mfa --all
      '';
    };
  };
}
