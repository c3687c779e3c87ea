# The few trivial builders of nixpkgs that a NixOS closure needs, making derivations of the same shape:
# the same arguments, attributes and build commands. Their builder is /bin/sh, so nothing is fetched.
{
  lib,
  system,
  bash,
}:

let
  inherit (lib) escapeShellArg optionalAttrs;

  # The attributes that nixpkgs' stdenv gives every derivation, most of them empty.
  stdenvAttrs = {
    buildInputs = [ ];
    configureFlags = [ ];
    depsBuildBuild = [ ];
    depsHostHost = [ ];
    depsTargetTarget = [ ];
    doCheck = false;
    doInstallCheck = false;
    nativeBuildInputs = [ ];
    outputs = [ "out" ];
    patches = [ ];
    propagatedBuildInputs = [ ];
    strictDeps = false;
  };

  mkDerivation =
    {
      passthru ? { },
      meta ? { },
      ...
    }@attrs:
    derivation (
      stdenvAttrs
      // {
        inherit system;
        stdenv = "${./stdenv}";
        builder = "/bin/sh";
        args = [
          "-e"
          ./stdenv/source-stdenv.sh
          ./stdenv/default-builder.sh
        ];
      }
      // {
        __structuredAttrs = false;
      }
      // removeAttrs attrs [
        "passthru"
        "meta"
      ]
    )
    // passthru
    // {
      inherit meta passthru;
    };
in
rec {
  inherit mkDerivation;

  stdenvNoCC = {
    inherit mkDerivation;
    hostPlatform = { inherit system; };
  };
  stdenv = stdenvNoCC;

  runtimeShell = "${bash}/bin/bash";

  # Structured attributes need no files for long values; otherwise the build command goes by file, as
  # more than 128 KiB do not fit into one variable of a process.
  runCommand =
    name: env: buildCommand:
    mkDerivation (
      {
        inherit name buildCommand;
        enableParallelBuilding = true;
      }
      // removeAttrs env [ "passAsFile" ]
      // optionalAttrs (!env.__structuredAttrs or false) {
        passAsFile = [ "buildCommand" ] ++ env.passAsFile or [ ];
      }
    );

  runCommandLocal =
    name: env:
    runCommand name (
      env
      // {
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
    );

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      meta ? { },
    }:
    runCommandLocal name
      {
        inherit text executable meta;
        passAsFile = [ "text" ];
      }
      ''
        target=$out${escapeShellArg destination}
        mkdir -p "$(dirname "$target")"
        mv "$textPath" "$target"

        if [ -n "$executable" ]; then
          chmod +x "$target"
        fi
      '';

  writeText = name: text: writeTextFile { inherit name text; };

  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };

  writeShellScript = name: text: writeScript name "#!${runtimeShell}\n${text}";

  writeShellScriptBin =
    name: text:
    writeTextFile {
      inherit name;
      text = "#!${runtimeShell}\n${text}";
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
}
