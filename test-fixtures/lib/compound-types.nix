# Types made of other types.
#
# A type may have `fault`, a function from place and definitions to null or the words of what is wrong with them; the
# module system asks it in place of `check` where a type judges all definitions together.
{ lib }:

let
  inherit (lib)
    elem
    filter
    foldl'
    getFiles
    head
    isAttrs
    isFunction
    isList
    length
    mapAttrs
    mergeOneOption
    showDefs
    showFiles
    showOption
    types
    ;
  inherit (types) mkOptionType;
  inherit (lib.modules) evalModules mergeDefinitions mkForce;

  # The words for definitions that `check` refuses.
  refused =
    check: _loc: defs:
    let
      wrong = filter (def: !check def.value) defs;
    in
    if wrong == [ ] then null else "Definition values: ${showDefs wrong}";

  # What is wrong with definitions, by a type's own judgement or by its check.
  faultOf =
    type: loc: defs:
    if type ? fault then type.fault loc defs else refused type.check loc defs;

  # A description inside another one: in brackets unless its kind is one of those that read well there.
  phrase =
    kinds: type:
    if elem (type.descriptionClass or null) kinds then type.description else "(${type.description})";

  noun = [ "noun" ];
  composite = [
    "noun"
    "composite"
  ];
  conjunction = [
    "noun"
    "conjunction"
  ];

  # A type whose definitions are merged as those of one type by another name.
  elementFunctor = name: elemType: {
    inherit name;
    type = payload: types.${name} payload.elemType;
    payload = { inherit elemType; };
    binOp =
      a: b:
      let
        merged = a.elemType.typeMerge b.elemType.functor;
      in
      if merged == null then null else { elemType = merged; };
  };

  # Each attribute's definitions, with the file of the set that it stood in.
  definitionsByName =
    defs:
    lib.zipAttrs (
      map (
        def:
        mapAttrs (_: value: {
          inherit (def) file;
          inherit value;
        }) def.value
      ) defs
    );

  attrsWith =
    {
      elemType,
      lazy ? false,
      placeholder ? "name",
    }:
    let
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      check = isAttrs;
    in
    mkOptionType {
      inherit name check;
      description = "${
        if lazy then "lazy attribute set" else "attribute set"
      } of ${phrase composite elemType}";
      descriptionClass = "composite";
      fault = refused check;
      merge =
        loc: defs:
        let
          merged = mapAttrs (name': mergeDefinitions (loc ++ [ name' ]) elemType) (definitionsByName defs);
        in
        if lazy then
          mapAttrs (_: m: m.optionalValue.value or elemType.emptyValue.value or m.mergedValue) merged
        else
          mapAttrs (_: m: m.mergedValue) (lib.filterAttrs (_: m: m.isDefined) merged);
      emptyValue.value = { };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<${placeholder}>" ]);
      inherit (elemType) getSubModules;
      substSubModules =
        modules:
        attrsWith {
          inherit lazy placeholder;
          elemType = elemType.substSubModules modules;
        };
      functor = {
        name = "attrsWith";
        type = attrsWith;
        payload = { inherit elemType lazy placeholder; };
        binOp =
          a: b:
          let
            merged = a.elemType.typeMerge b.elemType.functor;
          in
          if merged == null || a.lazy != b.lazy then
            null
          else
            {
              elemType = merged;
              inherit (a) lazy placeholder;
            };
      };
      nestedTypes = { inherit elemType; };
    };

  # A string type that joins its definitions.
in
{
  listOf =
    elemType:
    let
      check = isList;
    in
    mkOptionType {
      name = "listOf";
      inherit check;
      description = "list of ${phrase composite elemType}";
      descriptionClass = "composite";
      fault = refused check;
      merge =
        loc: defs:
        let
          entry =
            n: m: file: value:
            mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) elemType [
              { inherit file value; }
            ];
          entries = lib.concatLists (lib.imap1 (n: def: lib.imap1 (m: entry n m def.file) def.value) defs);
        in
        map (m: m.mergedValue) (filter (m: m.optionalValue ? value) entries);
      emptyValue.value = [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      inherit (elemType) getSubModules;
      substSubModules = modules: types.listOf (elemType.substSubModules modules);
      functor = elementFunctor "listOf" elemType;
      nestedTypes = { inherit elemType; };
    };

  inherit attrsWith;
  attrsOf = elemType: attrsWith { inherit elemType; };
  lazyAttrsOf =
    elemType:
    attrsWith {
      inherit elemType;
      lazy = true;
    };

  unique =
    { message }:
    elemType:
    mkOptionType {
      name = "unique";
      inherit (elemType)
        description
        descriptionClass
        check
        emptyValue
        getSubOptions
        getSubModules
        ;
      merge = lib.mergeUniqueOption {
        inherit message;
        inherit (elemType) merge;
      };
      substSubModules = modules: types.uniq (elemType.substSubModules modules);
      functor = elementFunctor "unique" elemType // {
        type = payload: types.unique { inherit message; } payload.elemType;
      };
      nestedTypes = { inherit elemType; };
    };
  uniq = types.unique { message = ""; };

  nullOr =
    elemType:
    mkOptionType {
      name = "nullOr";
      description = "null or ${phrase conjunction elemType}";
      descriptionClass = "conjunction";
      check = value: value == null || elemType.check value;
      merge =
        loc: defs:
        let
          nulls = filter (def: def.value == null) defs;
        in
        if nulls == [ ] then
          elemType.merge loc defs
        else if length nulls == length defs then
          null
        else
          throw "The option `${showOption loc}` is defined both null and not null, in ${showFiles (getFiles defs)}.";
      emptyValue.value = null;
      inherit (elemType) getSubOptions getSubModules;
      substSubModules = modules: types.nullOr (elemType.substSubModules modules);
      functor = elementFunctor "nullOr" elemType;
      nestedTypes = { inherit elemType; };
    };

  either =
    left: right:
    mkOptionType {
      name = "either";
      description =
        if left.descriptionClass or null == "nonRestrictiveClause" then
          "${left.description}, or ${phrase conjunction right}"
        else
          "${phrase conjunction left} or ${phrase (conjunction ++ [ "composite" ]) right}";
      descriptionClass = "conjunction";
      check = value: left.check value || right.check value;
      fault =
        loc: defs:
        if faultOf left loc defs == null || faultOf right loc defs == null then
          null
        else
          "The option `${showOption loc}` is neither a value of type `${left.description}` nor `${right.description}`, Definition values: ${showDefs defs}";
      merge =
        loc: defs:
        if faultOf left loc defs == null then
          left.merge loc defs
        else if faultOf right loc defs == null then
          right.merge loc defs
        else
          mergeOneOption loc defs;
      typeMerge = _: null;
      nestedTypes = { inherit left right; };
    };
  oneOf = choices: foldl' types.either (head choices) (lib.tail choices);

  coercedTo =
    from: coerce: to:
    let
      check = value: (from.check value && to.check (coerce value)) || to.check value;
      coerced =
        loc:
        map (def: if faultOf from loc [ def ] == null then def // { value = coerce def.value; } else def);
    in
    mkOptionType {
      name = "coercedTo";
      description = "${phrase noun to} or ${phrase noun from} convertible to it";
      inherit check;
      fault = loc: defs: if to ? fault then to.fault loc (coerced loc defs) else refused check loc defs;
      merge = loc: defs: to.merge loc (coerced loc defs);
      inherit (to) emptyValue getSubOptions getSubModules;
      substSubModules = modules: types.coercedTo from coerce (to.substSubModules modules);
      typeMerge = _: null;
      nestedTypes = {
        coercedType = from;
        finalType = to;
      };
    };

  addCheck =
    type: check:
    type
    // {
      check = value: type.check value && check value;
    }
    // lib.optionalAttrs (type ? fault) {
      fault =
        loc: defs:
        let
          own = type.fault loc defs;
        in
        if own != null then own else refused check loc defs;
    };

  functionTo =
    elemType:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${phrase composite elemType}";
      descriptionClass = "composite";
      check = isFunction;
      merge =
        loc: defs: argument:
        (mergeDefinitions (loc ++ [ "<function body>" ]) elemType (
          map (def: def // { value = def.value argument; }) defs
        )).mergedValue;
      nestedTypes = { inherit elemType; };
    };

  # Modules for an evaluation elsewhere.
  deferredModule = mkOptionType {
    name = "deferredModule";
    description = "module";
    descriptionClass = "noun";
    check = value: isAttrs value || isFunction value || types.path.check value;
    merge = loc: defs: {
      imports = map (
        def: lib.setDefaultModuleLocation "${def.file}, via option ${showOption loc}" def.value
      ) defs;
    };
  };

  submodule =
    modules:
    types.submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = lib.toList modules;
    };

  submoduleWith =
    submodule@{
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }:
    let
      check = value: isAttrs value || isFunction value || types.path.check value;
      evalWith =
        prefix: more:
        evalModules {
          inherit prefix specialArgs;
          modules = [ { _module.args.name = lib.mkOptionDefault "‹name›"; } ] ++ modules ++ more;
        };
      base = evalWith [ ] [ ];
      unchecked = evalWith [ ] [ { config._module.check = mkForce false; } ];
      open = unchecked._module.freeformType;
      asModule =
        { file, value }:
        {
          _file = file;
        }
        // (
          if isAttrs value && shorthandOnlyDefinesConfig == true then
            { config = value; }
          else
            { imports = [ value ]; }
        );
    in
    mkOptionType {
      name = "submodule";
      inherit check;
      description =
        if description != null then
          description
        else if open ? description then
          "open submodule of ${phrase composite open}"
        else
          "submodule";
      fault = refused check;
      merge =
        loc: defs: (evalWith loc ([ { _module.args.name = lib.last loc; } ] ++ map asModule defs)).config;
      emptyValue.value = base.config;
      getSubOptions = prefix: (evalWith prefix [ { config._module.check = mkForce false; } ]).options;
      getSubModules = modules;
      substSubModules = modules': types.submoduleWith (submodule // { modules = modules'; });
      functor = {
        name = "submodule";
        type = types.submoduleWith;
        payload = {
          inherit
            modules
            class
            specialArgs
            shorthandOnlyDefinesConfig
            description
            ;
        };
        binOp = a: b: {
          modules = a.modules ++ b.modules;
          specialArgs = a.specialArgs // b.specialArgs;
          class = if a.class == null then b.class else a.class;
          description = if a.description == null then b.description else a.description;
          shorthandOnlyDefinesConfig =
            if a.shorthandOnlyDefinesConfig == null then
              b.shorthandOnlyDefinesConfig
            else
              a.shorthandOnlyDefinesConfig;
        };
      };
    };
}
