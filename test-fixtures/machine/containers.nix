# What makes a container of the miniature NixOS run: its root has the guest's programs, and what NixOS binds into one.
{
  config,
  lib,
  pkgs,
  nixpkgsModules,
  ...
}:

let
  inherit (lib) mkOption types;
in
{
  options.containers = mkOption {
    type = types.attrsOf (
      types.submodule {
        # All modules that the host has.
        config.config.imports = nixpkgsModules;
      }
    );
  };

  config.systemd.services = lib.mapAttrs' (
    name: _:
    lib.nameValuePair "container@${name}" {
      environment.UNIFIED_CGROUP_HIERARCHY = "1";
      preStart = ''
        PATH=/usr/sbin:/usr/bin:/sbin:/bin
        mkdir -p "$root"/{usr,etc,dev,proc,run,sys,tmp,var/lib,var/log/journal} \
          "$root"/nix/{store,var/nix/{db,gcroots,profiles}} \
          /nix/var/nix/{gcroots,profiles}/per-container/"$INSTANCE"
        for directory in bin lib lib64 sbin; do
          ln -sfn "usr/$directory" "$root/$directory"
        done
        cp --update=none /etc/{passwd,group,nsswitch.conf} "$root/etc/" 2> /dev/null \
          || cp -n /etc/{passwd,group,nsswitch.conf} "$root/etc/"
        touch "$root/etc/machine-id"
      '';
      script = lib.mkForce ''
        exec ${pkgs.systemd}/bin/systemd-nspawn --quiet --register=no --keep-unit --notify-ready=yes --console=pipe \
          --private-network --link-journal=no --resolv-conf=off --timezone=off --kill-signal=SIGRTMIN+4 \
          -M "$INSTANCE" -D "$root" --bind-ro=/usr --bind-ro=/nix/store --bind-ro=/nix/var/nix/db \
          --bind="/nix/var/nix/profiles/per-container/$INSTANCE:/nix/var/nix/profiles" \
          --bind="/nix/var/nix/gcroots/per-container/$INSTANCE:/nix/var/nix/gcroots" \
          "$SYSTEM_PATH/init"
      '';
    }
  ) config.containers;
}
