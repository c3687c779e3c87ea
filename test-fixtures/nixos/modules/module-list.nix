[
  ./containers.nix
  ./etc.nix
  ./specialisation.nix
  ./systemd.nix
  ./toplevel.nix
]
