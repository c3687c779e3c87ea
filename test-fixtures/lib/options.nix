# Declaring options, merging their definitions, and naming them in messages.
{ lib }:

let
  inherit (lib)
    all
    concatMapStrings
    concatMapStringsSep
    concatStringsSep
    filter
    foldl'
    head
    isList
    length
    tail
    take
    ;

  howToChoose = ''
    Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.
  '';
in
rec {
  isOption = lib.isType "option";
  mkOption = option: option // { _type = "option"; };
  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };

  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };

  getValues = map (def: def.value);
  getFiles = map (def: def.file);

  unknownModule = "<unknown-file>";

  # An option's path as one would write it; placeholders such as `<name>` stay bare.
  showOption = concatMapStringsSep "." (
    part:
    if part == "*" || builtins.match "<(.*)>" part != null then part else lib.escapeNixIdentifier part
  );
  showFiles = concatMapStringsSep " and " (file: "`${file}'");
  showDefs = concatMapStrings (
    def:
    let
      shown = builtins.tryEval (
        lib.generators.toPretty { } (
          lib.generators.withRecursion {
            depthLimit = 10;
            throwOnDepthLimit = false;
          } def.value
        )
      );
      lines = filter (line: !isList line) (builtins.split "\n" shown.value);
      some = take 5 lines ++ (if length lines > 5 then [ "..." ] else [ ]);
      text =
        if !shown.success then
          ""
        else
          (if length lines > 1 then ":\n    " else ": ") + concatStringsSep "\n    " some;
    in
    "\n- In `${def.file}'${text}"
  );

  mergeDefaultOption =
    loc: defs:
    let
      values = getValues defs;
      areAll = is: all is values;
    in
    if length values == 1 then
      head values
    else if areAll lib.isFunction then
      argument: mergeDefaultOption loc (map (def: def // { value = def.value argument; }) defs)
    else if areAll isList then
      lib.concatLists values
    else if areAll lib.isAttrs then
      foldl' (result: value: result // value) { } values
    else if areAll lib.isBool then
      lib.any lib.id values
    else if areAll lib.isString then
      lib.concatStrings values
    else if areAll lib.isInt && areAll (value: value == head values) then
      head values
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs defs}";

  mergeUniqueOption =
    {
      message,
      merge ? _loc: defs: (head defs).value,
    }:
    loc: defs:
    if length defs == 1 then
      merge loc defs
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n${message}\nDefinition values:${showDefs defs}\n${howToChoose}";
  mergeOneOption = mergeUniqueOption { message = ""; };

  mergeEqualOption =
    loc: defs:
    let
      first = head defs;
      other = lib.findFirst (def: def.value != first.value) null (tail defs);
    in
    if length defs == 1 || other == null then
      first.value
    else
      throw "The option `${showOption loc}' has conflicting definition values:${
        showDefs [
          first
          other
        ]
      }\n${howToChoose}";
}
