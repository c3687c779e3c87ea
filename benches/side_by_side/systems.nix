# Two generations of one host, the size of a server: hermes 2 and 3 of the fixtures, with some three hundred
# services besides and as many other store paths as it takes to have two thousand in each closure.
let
  fixtures = import ../../test-fixtures { };
  inherit (fixtures) lib;

  migrations = ../../nixpkgs-patches/nixos/modules/system/migrations;

  # Two of a hundred are of another version in the other generation.
  version = generation: index: if index / 50 * 50 == index then "1.${toString generation}" else "1.0";

  # What the packages of a server are to its closure: paths with names and versions that something refers to.
  packages =
    generation:
    map (
      index:
      let
        name = "library${toString index}-${version generation index}";
      in
      builtins.toFile name "${name}\n"
    ) (lib.range 1 1600);

  load =
    generation:
    { pkgs, ... }:
    {
      environment.etc."packages".source = builtins.toFile "packages" (
        lib.concatStringsSep "\n" (packages generation)
      );

      systemd.services =
        lib.genAttrs (map (index: "worker${toString index}") (lib.range 1 300))
          (worker: {
            description = "One of many workers";
            after = [ "network.target" ];
            wantedBy = [ "multi-user.target" ];
            environment.WORKER = worker;
            serviceConfig = {
              ExecStart = "${pkgs.coreutils}/bin/sleep infinity";
              DynamicUser = true;
              StateDirectory = worker;
              ProtectSystem = "strict";
              ProtectHome = true;
              PrivateTmp = true;
              NoNewPrivileges = true;
              Restart = "on-failure";
              RestartSec = 5;
            };
          });
    };

  system =
    generation:
    let
      fixture = fixtures.systems."hermes-${toString generation}";
      of =
        part:
        lib.attrValues (lib.filterAttrs (name: _: lib.hasPrefix "nixpkgs/" name == part) fixture.files);
      evaluated = import ../../test-fixtures/nixos {
        inherit lib;
        inherit (fixture) release;
        nixpkgsModules = of true ++ [ migrations ];
        modules = of false ++ [ (load generation) ];
      };
    in
    evaluated.config.system.build.toplevel;
in
{
  old = system 2;
  new = system 3;
}
