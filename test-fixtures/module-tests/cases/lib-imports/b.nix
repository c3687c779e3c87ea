{
  imports = [ ./c.nix ];
  list = [ "b" ];
}
