# Functions on attribute sets.
{ lib }:

rec {
  inherit (builtins)
    attrNames
    attrValues
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    ;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);

  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;

  filterAttrs =
    accepts: set: removeAttrs set (lib.filter (name: !accepts name set.${name}) (attrNames set));

  optionalAttrs = condition: set: if condition then set else { };

  concatMapAttrs = f: set: lib.foldl' (result: more: result // more) { } (mapAttrsToList f set);

  zipAttrsWithNames =
    names: f: sets:
    genAttrs names (name: f name (lib.catAttrs name sets));
  zipAttrsWith =
    builtins.zipAttrsWith
      or (f: sets: zipAttrsWithNames (lib.unique (lib.concatMap attrNames sets)) f sets);
  zipAttrs = zipAttrsWith (_: values: values);

  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${lib.head path} then
      attrByPath (lib.tail path) default set.${lib.head path}
    else
      default;
  hasAttrByPath =
    path: set:
    path == [ ]
    || (isAttrs set && set ? ${lib.head path} && hasAttrByPath (lib.tail path) set.${lib.head path});
  getAttrFromPath =
    path: attrByPath path (throw "cannot find attribute `${lib.concatStringsSep "." path}'");
  setAttrByPath =
    path: value:
    if path == [ ] then value else { ${lib.head path} = setAttrByPath (lib.tail path) value; };

  mapAttrsRecursiveCond =
    descends: f:
    let
      at =
        path:
        mapAttrs (
          name: value:
          if isAttrs value && descends value then at (path ++ [ name ]) value else f (path ++ [ name ]) value
        );
    in
    at [ ];
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);

  recursiveUpdate =
    left: right:
    zipAttrsWith
      (
        _: values:
        let
          old = lib.head values;
          new = lib.last values;
        in
        if lib.length values == 2 && isAttrs old && isAttrs new then recursiveUpdate old new else new
      )
      [
        left
        right
      ];

  collect =
    accepts: value:
    if accepts value then
      [ value ]
    else if isAttrs value then
      lib.concatMap (collect accepts) (attrValues value)
    else
      [ ];

  isDerivation = value: value.type or null == "derivation";

  toDerivation =
    path:
    let
      path' = builtins.storePath path;
      derivation' = {
        type = "derivation";
        name = builtins.substring 33 (-1) (baseNameOf path');
        outPath = path';
        outputs = [ "out" ];
        out = derivation';
        outputName = "out";
      };
    in
    derivation';

  getOutput =
    output: package:
    if package.outputSpecified or false then package else package.${output} or package.out or package;
  getBin = getOutput "bin";
}
