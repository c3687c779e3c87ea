# A real PostgreSQL, of a tree that scripts/postgresql has made, as a package that runs from its place in the store: with
# the libraries and the loader of its own release, whatever the machine has.
{
  lib,
  pkgs,
  tree,
}:

let
  version = lib.removeSuffix "\n" (builtins.readFile (tree + "/version"));
  psqlSchema = lib.versions.major version;
in
pkgs.stdenvNoCC.mkDerivation {
  name = "postgresql-${version}";
  pname = "postgresql";
  inherit version;
  # Not copied into the store: what is there under a version and a recipe is always the same.
  tree = toString tree;
  recipe = builtins.readFile (tree + "/recipe");
  buildCommand = ''
    cp -R "$tree" "$out"
    chmod -R u+w "$out"
    rm "$out/recipe" "$out/version"
    for program in "$out"/bin/*; do
      [ -L "$program" ] || patchelf --set-interpreter "$out/lib/ld-linux-x86-64.so.2" "$program"
    done
  '';
  passthru = { inherit psqlSchema; };
}
