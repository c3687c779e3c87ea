# Types of single values.
{ lib }:

let
  inherit (lib)
    all
    concatMapStringsSep
    elem
    foldl'
    getFiles
    getValues
    head
    isAttrs
    isString
    length
    mergeEqualOption
    mergeOneOption
    showFiles
    showOption
    types
    ;
  inherit (types) mkOptionType;

  separatedString =
    separator:
    mkOptionType {
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
    mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = mergeEqualOption;
    };
in
{
  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    descriptionClass = "noun";
    merge = mergeOneOption;
  };
  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    descriptionClass = "noun";
  };
  anything = mkOptionType {
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
  singleLineStr = mkOptionType {
    name = "singleLineStr";
    description = "(optionally newline-terminated) single-line string";
    descriptionClass = "noun";
    check = value: isString value && builtins.match "[^\n\r]*\n?" value != null;
    merge = loc: defs: lib.removeSuffix "\n" (mergeEqualOption loc defs);
  };
  strMatching =
    pattern:
    mkOptionType {
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
  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _loc: foldl' (result: def: result // def.value) { };
    emptyValue.value = { };
  };

  inherit separatedString;
  lines = separatedString "\n";
  commas = separatedString ",";

  package = mkOptionType {
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
    mkOptionType {
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

  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    descriptionClass = "noun";
    check = lib.isType "option-type";
    merge = mergeOneOption;
  };
}
