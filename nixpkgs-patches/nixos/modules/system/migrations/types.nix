# Option types for what an author may write. They check and merge; they give no meaning.
# Where a value is wrong they throw at once, naming the option and the place, so that reading a history is enough to
# see the error, without building a system from it.
{ lib }:

let
  inherit (lib)
    attrNames
    concatMap
    elem
    filter
    hasPrefix
    head
    isAttrs
    isList
    isString
    mapAttrs
    mapAttrsToList
    mkDefault
    mkOptionType
    showOption
    types
    ;
  inherit (builtins)
    match
    stringLength
    typeOf
    unsafeGetAttrPos
    ;

  words = import ./words.nix { inherit lib; };

  # systemd reads lines of up to 1 MiB, and a byte of text may become six of JSON.
  longestWarning = 65536;

  # Directories that hold what other services own: restoring one of them would take the others back too.
  sharedDirectories = [
    "/"
    "/boot"
    "/etc"
    "/home"
    "/run"
    "/tmp"
    "/usr"
    "/var"
    "/var/lib"
    "/var/lib/private"
  ];
  foreignTrees = [
    "/dev"
    "/nix"
    "/proc"
    "/sys"
    "/var/lib/nixmig"
  ];
  isWithin = tree: path: path == tree || hasPrefix "${tree}/" path;

  stateDirectoryFault =
    path:
    if !hasPrefix "/" path then
      "is not absolute"
    else if elem path sharedDirectories then
      "holds the state of others too"
    else if lib.any (tree: isWithin tree path) foreignTrees then
      "holds no service's state"
    else if match "[^[:cntrl:]]*" path == null then
      "has a control character"
    else if match ".*/(\\.{0,2})/.*" "${path}/" != null then
      "has an empty component, `.' or `..'"
    else
      null;

  at = pos: "${pos.file}:${toString pos.line}:${toString pos.column}";

  # The place of an attribute, else what the module system knows: the file.
  placeOf =
    name: set: file:
    let
      pos = unsafeGetAttrPos name set;
    in
    if pos == null then file else at pos;

  isWrapper =
    value:
    elem (value._type or "") [
      "if"
      "override"
      "order"
    ];

  # Where a step comes from, to be shown: the place that gives it its `up`, before one that only adds to it.
  withOrigin =
    place: step:
    if isAttrs step then { origin = if step ? up then place else mkDefault place; } // step else step;

  # `f` of a value, below whatever `mkIf`, `mkMerge`, `mkForce` and `mkOrder` stand around it.
  below =
    f: value:
    if value._type or "" == "merge" then
      value // { contents = map (below f) value.contents; }
    else if isWrapper value then
      value // { content = below f value.content; }
    else
      f value;

  # A definition in keyed form as one definition a version, each with its own place.
  fromKeyed =
    def:
    mapAttrsToList (
      version: step:
      let
        place = placeOf version def.value def.file;
      in
      {
        file = place;
        value.${version} = below (withOrigin place) step;
      }
    ) def.value;

  # An entry of a list as definitions in keyed form. What stands around an entry moves to the value of its key: keys
  # must be known without asking a condition.
  fromEntry =
    loc: file: entry:
    if entry._type or "" == "merge" then
      concatMap (fromEntry loc file) entry.contents
    else if isWrapper entry then
      map (def: def // { value = mapAttrs (_: content: entry // { inherit content; }) def.value; }) (
        fromEntry loc file entry.content
      )
    else if !isAttrs entry then
      throw "The option `${showOption loc}' is a list of migrations, and one of them is not an attribute set but a ${typeOf entry}, in `${file}'."
    else if !isString (entry.version or null) then
      throw "A migration has no `version', or one that is not a string (option `${showOption loc}', in `${
        if entry == { } then file else placeOf (head (attrNames entry)) entry file
      }')."
    else
      let
        place = placeOf "version" entry file;
      in
      [
        {
          file = place;
          value.${entry.version} = withOrigin place (removeAttrs entry [ "version" ]);
        }
      ];

  definitionsOf =
    loc: def:
    let
      keyed = if isList def.value then concatMap (fromEntry loc def.file) def.value else fromKeyed def;
      checked =
        keyed':
        let
          bad = filter (version: !words.isVersion version) (attrNames keyed'.value);
        in
        if bad == [ ] then
          keyed'
        else
          throw "`${head bad}' is not the version of a migration: write YYYY-MM-DD, or YYYY-MM-DD.N for several on one day, a real date and N from 1 to 9 (option `${showOption loc}', in `${keyed'.file}').";
    in
    map checked keyed;

  # A type that is `base` but for what it accepts and how its definitions are read.
  refine =
    {
      name,
      description,
      check,
      definitions,
    }@refinement:
    base:
    mkOptionType {
      inherit name description check;
      descriptionClass = "composite";
      merge = loc: defs: base.merge loc (concatMap (definitions loc) defs);
      inherit (base) emptyValue getSubOptions getSubModules;
      substSubModules = modules: refine refinement (base.substSubModules modules);
      nestedTypes.elemType = base;
    };
in
{
  # A script or a message: two of them conflict, they are never joined.
  text = types.nullOr types.str;

  warning = types.nullOr (mkOptionType {
    name = "warning";
    description = "string of up to 64 KiB";
    descriptionClass = "noun";
    check = isString;
    merge =
      loc: defs:
      let
        warning = types.str.merge loc defs;
      in
      if stringLength warning <= longestWarning then
        warning
      else
        throw "The option `${showOption loc}' has ${toString (stringLength warning)} bytes, and a warning may have ${toString longestWarning}: say the rest in the manual.";
  });

  version = mkOptionType {
    name = "version";
    description = "date YYYY-MM-DD or YYYY-MM-DD.N";
    descriptionClass = "noun";
    check = isString;
    merge =
      loc: defs:
      let
        version = types.str.merge loc defs;
      in
      if words.isVersion version then
        version
      else
        throw "The option `${showOption loc}' has `${version}', which is not a version: write YYYY-MM-DD or YYYY-MM-DD.N, a real date and N from 1 to 9 (in `${(head defs).file}').";
  };

  stateDirectory = mkOptionType {
    name = "stateDirectory";
    description = "absolute path of a directory of state";
    descriptionClass = "noun";
    check = isString;
    merge =
      loc: defs:
      let
        path = types.str.merge loc defs;
        fault = stateDirectoryFault path;
      in
      if fault == null then
        path
      else
        throw "The option `${showOption loc}' has `${path}', which ${fault}: name the directory that this service alone keeps its state in (in `${(head defs).file}').";
  };

  origin = types.nullOr (mkOptionType {
    name = "origin";
    description = "place in a source file";
    descriptionClass = "noun";
    check = isString;
    merge = _loc: defs: (head defs).value;
  });

  # Units as systemd names them, without specifiers. A template can be gated, for all its instances, but not required.
  unit = types.strMatching "[a-zA-Z0-9:_.\\-]+(@[a-zA-Z0-9:_.\\-]+)?[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";
  gatedUnit = types.strMatching "[a-zA-Z0-9:_.\\-]+(@[a-zA-Z0-9:_.\\-]*)?[.]service";

  # Migrations of one service: a set by version, or a list of sets that have a `version` each.
  steps =
    step:
    refine {
      name = "migrations";
      description = "attribute set of migrations by version, or list of migrations";
      check = value: isList value || isAttrs value;
      definitions = definitionsOf;
    } (types.attrsOf step);

  # A service's options, or only its steps as a list.
  serviceOrList =
    service: types.coercedTo (types.listOf types.raw) (steps: { inherit steps; }) service;

  # Services by name.
  services =
    service:
    refine {
      name = "services";
      description = "attribute set of services with migrations";
      check = isAttrs;
      definitions =
        loc: def:
        let
          bad = filter (name: !words.isService name) (attrNames def.value);
        in
        if bad == [ ] then
          [ def ]
        else
          throw "`${head bad}' cannot name a service under `${showOption loc}': letters, digits, `_', `.' and `-', not first `.' or `-', at most 177 bytes (in `${
            placeOf (head bad) def.value def.file
          }').";
    } (types.attrsOf service);
}
