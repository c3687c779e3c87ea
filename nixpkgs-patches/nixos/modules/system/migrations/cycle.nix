# Services that wait for each other: the first cycle in a set of services by name, as the list of its names, or null.
# A service waits for those whose units, or whose gate, it requires.
{ lib }:

services:
let
  inherit (builtins) genericClosure;
  inherit (lib)
    attrNames
    concatMap
    filter
    findFirst
    unique
    zipAttrs
    ;

  # Who stands behind a unit.
  gatesOf = zipAttrs (
    concatMap (
      name: map (unit: { ${unit} = name; }) (services.${name}.requiredBy ++ [ "migrate-${name}.service" ])
    ) (attrNames services)
  );

  awaited = name: unique (concatMap (unit: gatesOf.${unit} or [ ]) services.${name}.requires);

  # Nearest first, each with the way to it.
  reachable =
    name:
    genericClosure {
      startSet = map (next: {
        key = next;
        path = [
          name
          next
        ];
      }) (awaited name);
      operator =
        { key, path }:
        map (next: {
          key = next;
          path = path ++ [ next ];
        }) (awaited key);
    };

  backTo = name: findFirst (item: item.key == name) null (reachable name);
  start = findFirst (name: backTo name != null) null (
    filter (name: services.${name}.requires != [ ]) (attrNames services)
  );
in
if start == null then null else (backTo start).path
