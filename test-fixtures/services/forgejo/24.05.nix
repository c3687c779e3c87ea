# Forgejo migrates its database when it starts and has no way down, so a step is a dump that can be gone back to.
# A Gitea after 1.22 cannot be taken over.
{ config, lib, ... }:

let
  cfg = config.services.forgejo;

  dump = ''
    "$OLD_PACKAGE/bin/forgejo" dump --type tar --file "$BACKUP/forgejo.tar"
  '';

  load = ''
    find ${cfg.stateDir} -mindepth 1 -delete
    tar --extract --file "$BACKUP/forgejo.tar" --directory ${cfg.stateDir}
  '';
in
{
  migrations.forgejo = lib.mkIf cfg.enable {
    package = cfg.package;
    stateDirectories = [ cfg.stateDir ];
    serviceConfig.User = "forgejo";

    steps."2024-04-23" = {
      # 7.0, the first release that is not a soft fork.
      up = {
        script = ''
          "$NEW_PACKAGE/bin/forgejo" migrate
          "$NEW_PACKAGE/bin/forgejo" doctor check --all --fix
        '';
        backup = dump;
        restore = load;
        verify = ''
          "$NEW_PACKAGE/bin/forgejo" doctor check --all
        '';
      };
      down.warn = "Forgejo 7 is where the ways part: to Gitea there is none.";
    };
  };
}
