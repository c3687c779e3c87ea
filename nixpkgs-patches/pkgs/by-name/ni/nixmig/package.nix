{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
  # The tree that this file stands in; nixpkgs hands in a fetched one.
  src ? lib.fileset.toSource {
    root = ../../../../..;
    fileset = lib.fileset.unions [
      ../../../../../.cargo
      ../../../../../Cargo.lock
      ../../../../../Cargo.toml
      ../../../../../benches
      ../../../../../src
    ];
  },
}:

rustPlatform.buildRustPackage {
  pname = "nixmig";
  version = (lib.importTOML (src + "/Cargo.toml")).package.version;

  inherit src;
  cargoLock.lockFile = src + "/Cargo.lock";

  nativeBuildInputs = [ installShellFiles ];

  # The unit tests; the others need Nix inside the build.
  cargoTestFlags = [ "--lib" ];

  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/nixmig man man
    installManPage man/*
    for shell in bash fish zsh; do
      $out/bin/nixmig completions $shell > nixmig.$shell
    done
    installShellCompletion nixmig.{bash,fish,zsh}
  '';

  meta = {
    description = "Migrations for the state of NixOS services: read from two generations, derived, walked, undone";
    license = lib.licenses.mit;
    mainProgram = "nixmig";
    platforms = lib.platforms.unix;
    maintainers = [ ];
  };
}
