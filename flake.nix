{
  description = "Migrations for the state of NixOS services: read from two generations, derived, walked, undone";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      package = ./nixpkgs-patches/pkgs/by-name/ni/nixmig/package.nix;
      # An input without packages (nixpkgs.lib) leaves the outputs that need none.
      systems = lib.intersectLists [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] (lib.attrNames (nixpkgs.legacyPackages or { }));
      eachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = eachSystem (pkgs: rec {
        nixmig = pkgs.callPackage package { };
        default = nixmig;
      });

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          meta.description = "Show what lies between the states of two NixOS generations";
        };
      });

      overlays.default = final: _: { nixmig = final.callPackage package { }; };

      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./nixpkgs-patches/nixos/modules/system/migrations ];
          services.nixmig.package = lib.mkDefault (pkgs.callPackage package { });
        };

      checks = eachSystem (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        module =
          pkgs.runCommand "nixmig-module-tests"
            {
              nativeBuildInputs = [
                pkgs.nix
                pkgs.jq
              ];
            }
            ''
              export HOME=$TMPDIR NIX_STATE_DIR=$TMPDIR/nix NIX_STORE_DIR=$TMPDIR/store NIX_REMOTE=local
              cp -r ${self} source
              chmod -R u+w source
              patchShebangs source/test-fixtures/module-tests
              NIXPKGS=${nixpkgs} source/test-fixtures/module-tests/run
              touch $out
            '';
        format = pkgs.runCommand "nixmig-nixfmt" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
          find ${self} -name '*.nix' -print0 | xargs -0 nixfmt --check
          touch $out
        '';
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.default ];
          packages = [
            pkgs.clippy
            pkgs.git
            pkgs.nixfmt
            pkgs.rustfmt
            pkgs.strace
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt);
    };
}
