# Services that wait for each other: a cycle in a set of services by name, as the list of its names, or null.
# A service waits for those whose units, or whose gate, it requires.
{ lib }:

services:
let
  inherit (lib)
    any
    attrNames
    concatMap
    elem
    filter
    findFirst
    genAttrs
    head
    last
    length
    unique
    zipAttrs
    ;

  # Who stands behind a unit.
  gatesOf = zipAttrs (
    concatMap (
      name: map (unit: { ${unit} = name; }) (services.${name}.requiredBy ++ [ "migrate-${name}.service" ])
    ) (attrNames services)
  );

  awaited = builtins.mapAttrs (
    _: service: unique (concatMap (unit: gatesOf.${unit} or [ ]) service.requires)
  ) services;

  # Without those that wait for nobody who is left, again and again: what stays leads into a cycle.
  prune =
    names:
    let
      isLeft = genAttrs names (_: true);
      waiting = filter (name: any (next: isLeft ? ${next}) awaited.${name}) names;
    in
    if length waiting == length names then names else prune waiting;

  entangled = prune (attrNames services);

  walk =
    path:
    let
      next = findFirst (name: elem name entangled) null awaited.${last path};
    in
    if elem next path then fromFirst next path ++ [ next ] else walk (path ++ [ next ]);

  fromFirst = name: path: if head path == name then path else fromFirst name (builtins.tail path);
in
if entangled == [ ] then null else walk [ (head entangled) ]
