# Values as text, as error messages show them.
{ lib }:

let
  inherit (lib)
    concatMapStringsSep
    concatStringsSep
    escape
    escapeNixIdentifier
    filter
    init
    isAttrs
    isFunction
    isList
    last
    length
    mapAttrsToList
    replaceStrings
    ;
  inherit (builtins) elem split;

  untouched = [
    "__functor"
    "__functionArgs"
    "__toString"
    "__pretty"
  ];

  linesOf = text: filter (part: !isList part) (split "\n" text);

  quoted = line: escape [ "\\" "\"" "\${" ] line;
  indented = replaceStrings [ "\${" "''" ] [ "''\${" "'''" ];
in
{
  # A value whose parts below `depthLimit` are replaced by a word.
  withRecursion =
    {
      depthLimit,
      throwOnDepthLimit ? true,
    }:
    let
      tooDeep =
        if throwOnDepthLimit then
          throw "Exceeded maximum eval-depth limit of ${toString depthLimit} while trying to evaluate with `generators.withRecursion'!"
        else
          "<unevaluated>";
      prune =
        depth: value:
        let
          below = if depth + 1 > depthLimit then _: tooDeep else prune (depth + 1);
        in
        if isAttrs value then
          builtins.mapAttrs (name: if elem name untouched then lib.id else below) value
        else if isList value then
          map below value
        else if depth + 1 > depthLimit then
          tooDeep
        else
          value;
    in
    prune 0;

  toPretty =
    {
      allowPrettyValues ? false,
      multiline ? true,
      indent ? "",
    }:
    let
      show =
        indent: value:
        let
          inner = if multiline then "\n${indent}  " else " ";
          outer = if multiline then "\n${indent}" else " ";
          between =
            open: parts: close:
            open + inner + concatStringsSep inner parts + outer + close;

          showString =
            let
              lines = linesOf value;
              texts = map indented lines;
              end = last texts;
            in
            if multiline && length lines > 1 then
              "''"
              + inner
              + concatStringsSep inner (init texts)
              + (if end == "" then outer else inner + end)
              + "''"
            else
              "\"" + concatMapStringsSep "\\n" quoted lines + "\"";

          showFunction =
            let
              arguments = mapAttrsToList (name: hasDefault: if hasDefault then "${name}?" else name) (
                lib.functionArgs value
              );
            in
            if arguments == [ ] then "<function>" else "<function, args: {${concatStringsSep ", " arguments}}>";

          showSet =
            if allowPrettyValues && value ? __pretty && value ? val then
              value.__pretty value.val
            else if value == { } then
              "{ }"
            else if value.type or null == "derivation" then
              "<derivation ${value.name or "???"}>"
            else
              between "{" (mapAttrsToList (
                name: part: "${escapeNixIdentifier name} = ${show "${indent}  " part};"
              ) value) "}";
        in
        if isFunction value then
          showFunction
        else
          {
            int = toString value;
            float = builtins.toJSON value;
            string = showString;
            bool = lib.boolToString value;
            null = "null";
            path = toString value;
            list = if value == [ ] then "[ ]" else between "[" (map (show "${indent}  ") value) "]";
            set = showSet;
          }
          .${builtins.typeOf value};
    in
    show indent;
}
