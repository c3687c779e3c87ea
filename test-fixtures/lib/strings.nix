# Functions on strings.
{ lib }:

let
  inherit (builtins)
    isString
    match
    split
    toJSON
    ;

  keywords = [
    "assert"
    "else"
    "if"
    "in"
    "inherit"
    "let"
    "or"
    "rec"
    "then"
    "with"
  ];
in
rec {
  inherit (builtins)
    concatStringsSep
    replaceStrings
    stringLength
    substring
    toJSON
    ;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatMapStringsSep =
    separator: f: list:
    concatStringsSep separator (map f list);
  concatLines = concatMapStrings (line: line + "\n");

  optionalString = condition: text: if condition then text else "";

  stringToCharacters = text: lib.genList (n: substring n 1 text) (stringLength text);
  splitString =
    separator: text:
    lib.filter isString (
      split (replaceStrings regexSpecials (map (c: "\\${c}") regexSpecials) separator) text
    );
  regexSpecials = stringToCharacters "\\[{()^$?*+|.";

  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      start = stringLength text - stringLength suffix;
    in
    start >= 0 && substring start (-1) text == suffix;
  hasInfix = infix: text: lib.length (splitString infix text) > 1;
  removePrefix =
    prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;

  escape = characters: replaceStrings characters (map (c: "\\${c}") characters);
  escapeNixString = text: escape [ "$" ] (toJSON text);
  escapeNixIdentifier =
    text:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" text != null && !lib.elem text keywords then
      text
    else
      escapeNixString text;
  escapeShellArg =
    value:
    let
      text = toString value;
    in
    if match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;

  trim =
    text:
    let
      parts = match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" text;
    in
    if parts == null then "" else lib.head parts;

  isStringLike =
    value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  isStorePath =
    value:
    isStringLike value
    && substring 0 1 (toString value) == "/"
    && (dirOf (toString value) == builtins.storeDir || match "/[0-9a-z]{52}" (toString value) != null);
  inherit (builtins) hasContext;

  makeSearchPath =
    directory: paths:
    concatMapStringsSep ":" (path: "${path}/${directory}") (lib.filter (path: path != null) paths);
  makeSearchPathOutput =
    output: directory: packages:
    makeSearchPath directory (map (lib.getOutput output) packages);
  makeBinPath = makeSearchPathOutput "bin" "bin";

  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  versions = {
    splitVersion = builtins.splitVersion;
    major = version: lib.head (builtins.splitVersion version);
    majorMinor = version: concatStringsSep "." (lib.take 2 (builtins.splitVersion version));
  };
  getName = package: package.pname or (builtins.parseDrvName (package.name or package)).name;
  getVersion = package: package.version or (builtins.parseDrvName (package.name or package)).version;

  toInt =
    text:
    let
      digits = match "[[:space:]]*(-?(0|[1-9][[:digit:]]*))[[:space:]]*" text;
    in
    if digits == null then
      throw "toInt: Could not convert ${escapeNixString text} to int."
    else
      builtins.fromJSON (lib.head digits);

  # The least number of characters to insert, remove or replace.
  levenshtein =
    a: b:
    let
      columns = stringToCharacters b;
      least =
        x: y: z:
        lib.min x (lib.min y z);
      below =
        row: letter:
        lib.foldl' (
          done: n:
          done
          ++ [
            (least (lib.last done + 1) (lib.elemAt row (n + 1) + 1) (
              lib.elemAt row n + (if lib.elemAt columns n == letter then 0 else 1)
            ))
          ]
        ) [ (lib.head row + 1) ] (lib.range 0 (lib.length columns - 1));
    in
    lib.last (lib.foldl' below (lib.range 0 (lib.length columns)) (stringToCharacters a));
}
