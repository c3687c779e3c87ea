# A gated unit without ExecStart= is a typing error, unless it is masked or extends a unit of a package.
{ config, lib, ... }:
{
  migrations.misspelt = {
    requiredBy = [ "mispelt.service" ];
  };
  migrations.instance.requiredBy = [ "instance@a.service" ];
  migrations.masked = { };
  migrations.packaged = { };
  systemd.services = {
    masked.enable = false;
    packaged.overrideStrategy = "asDropin";
    empty.migrations = [ ];
  };
  shown = map (assertion: assertion.message) (
    lib.filter (assertion: !assertion.assertion) config.assertions
  );
}
