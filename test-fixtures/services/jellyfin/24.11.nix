{
  config,
  lib,
  pkgs,
  ...
}:

lib.mkIf config.services.jellyfin.enable {
  migrations.jellyfin = {
    package = config.services.jellyfin.package;
    stateDirectories = [ "/var/lib/jellyfin" ];

    # 10.10: the lists of lyrics and trickplay images move beside the media.
    steps."2024-10-26".up = {
      script = ''
        ${pkgs.findutils}/bin/find /var/lib/jellyfin/metadata -name '*.lrc' -newer /var/lib/jellyfin/data/library.db -delete
      '';
    };
    steps."2024-10-26".down.script = ''
      ${pkgs.coreutils}/bin/rm -rf /var/lib/jellyfin/data/trickplay
    '';
  };
}
