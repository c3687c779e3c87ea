# Services that keep their state in one place: of a set of services by name the pairs of state directories of which one
# is the other, or lies in it, as `{ outer, inner }` of `{ name, path }` each. What links make of paths is not seen here.
{ lib }:

services:
let
  inherit (lib)
    attrNames
    concatMap
    concatStringsSep
    filter
    genList
    length
    splitString
    take
    zipAttrs
    ;

  directories = concatMap (
    name: map (path: { inherit name path; }) services.${name}.stateDirectories
  ) (attrNames services);

  # Who keeps state in a directory.
  at = zipAttrs (map (directory: { ${directory.path} = directory.name; }) directories);

  # "/a/b" gives "/a" and "/a/b".
  upTo =
    path:
    let
      components = splitString "/" path;
    in
    genList (n: concatStringsSep "/" (take (n + 2) components)) (length components - 1);

  # Two that are the same are met from both sides, and told once.
  within =
    inner:
    concatMap (
      path:
      let
        isOther = name: if path == inner.path then name < inner.name else name != inner.name;
      in
      map (name: {
        inherit inner;
        outer = { inherit name path; };
      }) (filter isOther (at.${path} or [ ]))
    ) (upTo inner.path);
in
concatMap within directories
