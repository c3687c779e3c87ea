# Types of options: what they accept, and how several definitions become one value.
#
# A type may have `fault`, a function from place and definitions to null or the words of what is wrong with them; the
# module system asks it in place of `check` where a type judges all definitions together.
{ lib }:

let
  inherit (lib)
    all
    concatMapStringsSep
    elem
    filter
    foldl'
    getFiles
    getValues
    head
    isAttrs
    isFunction
    isList
    isString
    length
    mapAttrs
    mergeEqualOption
    mergeOneOption
    showDefs
    showFiles
    showOption
    ;
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
    types.mkOptionType {
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
  separatedString =
    separator:
    types.mkOptionType {
      name = "separatedString";
      description = "strings concatenated with ${builtins.toJSON separator}";
      descriptionClass = "noun";
      check = isString;
      merge = _loc: defs: lib.concatStringsSep separator (getValues defs);
      functor = {
        name = "separatedString";
        type = payload: separatedString payload.separator;
        payload = { inherit separator; };
        binOp = a: b: if a == b then a else null;
      };
    };

  plain =
    name: description: check:
    types.mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = mergeEqualOption;
    };

  types = {
    isOptionType = lib.isType "option-type";

    mkOptionType =
      type@{ name, ... }:
      {
        check = _: true;
        merge = lib.mergeDefaultOption;
        description = name;
        descriptionClass = null;
        emptyValue = { };
        getSubOptions = _: { };
        getSubModules = null;
        substSubModules = _: null;
        nestedTypes = { };
        deprecationMessage = null;
        functor = {
          inherit name;
          type = types.${name} or null;
          payload = null;
          binOp = _: _: null;
        };
        # The type that stands for this one and for another by its functor, or null.
        typeMerge =
          other:
          let
            mine = (types.mkOptionType type).functor;
            payload = mine.binOp mine.payload other.payload;
          in
          if mine.name != other.name then
            null
          else if mine.payload == null then
            mine.type
          else if payload == null then
            null
          else
            mine.type payload;
      }
      // type
      // {
        _type = "option-type";
      };

    raw = types.mkOptionType {
      name = "raw";
      description = "raw value";
      descriptionClass = "noun";
      merge = mergeOneOption;
    };
    unspecified = types.mkOptionType {
      name = "unspecified";
      description = "unspecified value";
      descriptionClass = "noun";
    };
    anything = types.mkOptionType {
      name = "anything";
      description = "anything";
      descriptionClass = "noun";
      merge =
        loc: defs:
        let
          kindOf =
            value:
            if isAttrs value && lib.isStringLike value then "stringCoercibleSet" else builtins.typeOf value;
          kind = kindOf (head defs).value;
        in
        if !all (def: kindOf def.value == kind) defs then
          throw "The option `${showOption loc}' has conflicting option types in ${showFiles (getFiles defs)}"
        else if kind == "set" then
          (types.attrsOf types.anything).merge loc defs
        else if kind == "stringCoercibleSet" then
          mergeOneOption loc defs
        else
          mergeEqualOption loc defs;
    };

    bool = plain "bool" "boolean" lib.isBool;
    int = plain "int" "signed integer" lib.isInt;
    float = plain "float" "floating point number" lib.isFloat;
    str = plain "str" "string" isString;
    nonEmptyStr = plain "nonEmptyStr" "non-empty string" (
      value: isString value && builtins.match "[ \t\n]*" value == null
    );
    singleLineStr = types.mkOptionType {
      name = "singleLineStr";
      description = "(optionally newline-terminated) single-line string";
      descriptionClass = "noun";
      check = value: isString value && builtins.match "[^\n\r]*\n?" value != null;
      merge = loc: defs: lib.removeSuffix "\n" (mergeEqualOption loc defs);
    };
    strMatching =
      pattern:
      types.mkOptionType {
        name = "strMatching ${lib.escapeNixString pattern}";
        description = "string matching the pattern ${pattern}";
        descriptionClass = "noun";
        check = value: isString value && builtins.match pattern value != null;
        merge = mergeEqualOption;
        functor = {
          name = "strMatching";
          type = payload: types.strMatching payload.pattern;
          payload = { inherit pattern; };
          binOp = a: b: if a == b then a else null;
        };
      };
    path = plain "path" "absolute path" (
      value: lib.isStringLike value && builtins.substring 0 1 (toString value) == "/"
    );
    attrs = types.mkOptionType {
      name = "attrs";
      description = "attribute set";
      check = isAttrs;
      merge = _loc: foldl' (result: def: result // def.value) { };
      emptyValue.value = { };
    };

    inherit separatedString;
    lines = separatedString "\n";
    commas = separatedString ",";

    package = types.mkOptionType {
      name = "package";
      descriptionClass = "noun";
      check = value: lib.isDerivation value || lib.isStorePath value;
      merge =
        loc: defs:
        let
          package = mergeOneOption loc defs;
        in
        if builtins.isPath package || (isString package && !lib.hasContext package) then
          lib.toDerivation package
        else
          package;
    };

    enum =
      values:
      let
        show =
          value:
          {
            string = "\"${value}\"";
            int = toString value;
            bool = lib.boolToString value;
          }
          .${builtins.typeOf value} or "<${builtins.typeOf value}>";
        several = length values > 1;
      in
      types.mkOptionType {
        name = "enum";
        description =
          if values == [ ] then
            "impossible (empty enum)"
          else if several then
            "one of ${concatMapStringsSep ", " show values}"
          else
            "value ${show (head values)} (singular enum)";
        descriptionClass = if several then "conjunction" else "noun";
        check = value: elem value values;
        merge = mergeEqualOption;
        functor = {
          name = "enum";
          type = payload: types.enum payload.values;
          payload = { inherit values; };
          binOp = a: b: { values = lib.unique (a.values ++ b.values); };
        };
      };

    listOf =
      elemType:
      let
        check = isList;
      in
      types.mkOptionType {
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
      types.mkOptionType {
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
      types.mkOptionType {
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
      types.mkOptionType {
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
      types.mkOptionType {
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
      types.mkOptionType {
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

    optionType = types.mkOptionType {
      name = "optionType";
      description = "optionType";
      descriptionClass = "noun";
      check = lib.isType "option-type";
      merge = mergeOneOption;
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
      types.mkOptionType {
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
  };
in
types
