# What ./build lays out, as text.
let
  fixtures = import ./. { };
  inherit (fixtures) lib systems;
in
{
  # HOST NUMBER TOPLEVEL DERIVATION, the generations of a host in their order.
  manifest = lib.concatStrings (
    lib.mapAttrsToList (
      _: system:
      "${system.host} ${toString system.number} ${system.toplevel} ${builtins.unsafeDiscardOutputDependency system.toplevel.drvPath}\n"
    ) systems
  );

  # GENERATION, a file's name in it, and where that file is; separated by tabs.
  sources = lib.concatStrings (
    lib.concatLists (
      lib.mapAttrsToList (
        name: system: lib.mapAttrsToList (file: path: "${name}\t${file}\t${toString path}\n") system.files
      ) systems
    )
  );
}
