# The hosts of the fixtures and all their generations:
#
#     systems.<host>-<number> = { config, options, toplevel, files, host, number, release }
#
# A generation is what stands in its own directory under ./hosts over what the directories before it hold, by the
# name of the file; its `meta.nix` names the release and the services of ./services that it imports. Of a service
# that is `module.nix`, the service as it always was, and the histories that had been added by that release.
{
  # A checkout that has nixpkgs' lib/; the stand-in without one.
  nixpkgs ? builtins.getEnv "NIXPKGS",
  lib ? import (if nixpkgs == "" then ./lib else /. + nixpkgs + "/lib"),
  system ? builtins.currentSystem or "x86_64-linux",
}:

let
  inherit (lib)
    attrNames
    attrValues
    concatMap
    filter
    hasSuffix
    listToAttrs
    removeSuffix
    ;

  migrations = ../nixpkgs-patches/nixos/modules/system/migrations;

  entries = path: kind: attrNames (lib.filterAttrs (_: type: type == kind) (builtins.readDir path));
  directories = path: entries path "directory";
  nixFiles = path: filter (hasSuffix ".nix") (entries path "regular");

  # { "nixpkgs/postgresql/24.05.nix" = <path>; "atlas/inventory.nix" = <path>; … }
  serviceFiles =
    meta: service:
    let
      path = ./services + "/${service}";
      wanted =
        file:
        file == "module.nix"
        || meta.migrations or true && !lib.versionOlder meta.release (removeSuffix ".nix" file);
    in
    map (file: {
      name = "nixpkgs/${service}/${file}";
      value = path + "/${file}";
    }) (filter wanted (nixFiles path));

  hostFiles =
    host: number:
    concatMap (
      earlier:
      let
        path = ./hosts + "/${host}/${toString earlier}";
      in
      map (file: {
        name = "${host}/${file}";
        value = path + "/${file}";
      }) (filter (file: file != "meta.nix") (nixFiles path))
    ) (lib.range 1 number);

  generation =
    host: number:
    let
      meta = import (./hosts + "/${host}/${toString number}/meta.nix");
      serviceModules = listToAttrs (concatMap (serviceFiles meta) meta.services);
      # Of several files of one name the first counts here, so the newest come first.
      hostModules = listToAttrs (lib.reverseList (hostFiles host number));
      evaluated = import ./nixos {
        inherit lib system;
        inherit (meta) release;
        nixpkgsModules = attrValues serviceModules ++ lib.optional (meta.migrations or true) migrations;
        modules = attrValues hostModules;
      };
    in
    {
      inherit host number;
      inherit (meta) release;
      inherit (evaluated) config options;
      inherit (evaluated.config.system.build) toplevel;
      files = serviceModules // hostModules;
    };
in
{
  inherit lib;

  systems = listToAttrs (
    concatMap (
      host:
      map (number: {
        name = "${host}-${number}";
        value = generation host (lib.toInt number);
      }) (directories (./hosts + "/${host}"))
    ) (directories ./hosts)
  );
}
