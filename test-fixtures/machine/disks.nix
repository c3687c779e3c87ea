# Further disks of a guest, by the options that NixOS's virtual machines have for them (nixos/modules/virtualisation/qemu-vm.nix):
# the driver makes their file systems and mounts them.
{ config, lib, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.virtualisation;

  # The first disk is the guest's own.
  letters = lib.stringToCharacters "bcdefgh";

  sizes = lib.listToAttrs (
    lib.imap0 (n: size: lib.nameValuePair "/dev/vd${lib.elemAt letters n}" size) cfg.emptyDiskImages
  );
in
{
  options.virtualisation = {
    emptyDiskImages = mkOption {
      type = types.listOf types.int;
      default = [ ];
      description = "The sizes of further disks in MiB, /dev/vdb the first of them.";
    };
    fileSystems = mkOption {
      default = { };
      description = "What is on them, by where it is mounted.";
      type = types.attrsOf (
        types.submodule {
          options = {
            device = mkOption {
              type = types.enum (lib.attrNames sizes);
              description = "The disk.";
            };
            fsType = mkOption {
              type = types.enum [ "ext4" ];
              description = "What the file system is.";
            };
            autoFormat = mkOption {
              type = types.enum [ true ];
              description = "Whether it is made where there is none yet.";
            };
          };
        }
      );
    };
  };

  config.system.build.disks = lib.mapAttrsToList (
    mountPoint: fileSystem:
    fileSystem
    // {
      inherit mountPoint;
      size = sizes.${fileSystem.device};
    }
  ) cfg.fileSystems;
}
