{ lib, ... }:

{
  services.mastodon.enable = lib.mkForce false;
}
