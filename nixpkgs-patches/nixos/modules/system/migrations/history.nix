# What the options of one service mean: its history up to the configured program, and the service as the rest of the
# system reads it. Functions of one service alone; `where` is its option's path, for messages.
{ lib }:

let
  inherit (builtins)
    compareVersions
    filter
    hashString
    isBool
    isInt
    isList
    isString
    match
    parseDrvName
    split
    splitVersion
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (lib)
    attrNames
    concatStringsSep
    elem
    filterAttrs
    findFirst
    head
    length
    mapAttrs
    sort
    splitString
    take
    tail
    unique
    ;

  words = import ./words.nix { inherit lib; };

  versionOf =
    package:
    if package == null then "" else package.version or (parseDrvName (package.name or "")).version;

  # The version that steps are compared with. A history without some of its steps, or with some too many, would bring
  # state where its programs cannot follow, so nothing is guessed.
  programOf =
    where: service: step:
    let
      version = versionOf service.package;
      needs = "${where}.steps.\"${step.version}\" is for program ${step.program} and later";
    in
    if service.package == null then
      throw "${needs}, but ${where}.package is not set: whether the step belongs to this system's history cannot be told."
    else if match "[0-9].*" version == null then
      throw "${needs}, but ${where}.package has ${
        if version == "" then "no version" else "version `${version}', which does not begin with a number"
      }: whether the step belongs to this system's history cannot be told."
    else
      version;

  # Of the package's version only as many components count as the step names: 17 is reached by 17beta1 and 17.2.
  isReached =
    where: service: step:
    step.program == null
    || (
      let
        components = take (length (splitVersion step.program)) (
          splitVersion (programOf where service step)
        );
      in
      compareVersions (concatStringsSep "." components) step.program >= 0
    );

  stepsOf = where: service: filterAttrs (_: isReached where service) service.steps;

  # Store paths change with every rebuild, what an author wrote does not.
  maskStorePaths =
    text:
    concatStringsSep "/-" (
      filter isString (split "/[a-z0-9/]*store/[0-9a-z]{32}-" (unsafeDiscardStringContext text))
    );

  withDigest =
    action:
    let
      set = filterAttrs (_: text: text != null) {
        inherit (action)
          backup
          restore
          script
          verify
          warn
          ;
      };
    in
    action
    // {
      digest =
        if set == { } then
          null
        else
          "sha256:" + hashString "sha256" (toJSON (mapAttrs (_: maskStorePaths) set));
    };

  # "17.2.1" gives 17, 17.2 and 17.2.1.
  prefixesOf =
    version:
    let
      grow =
        done: rest:
        if rest == [ ] then
          [ ]
        else
          [ (concatStringsSep "." (done ++ take 1 rest)) ] ++ grow (done ++ take 1 rest) (tail rest);
    in
    grow [ ] (splitString "." version);

  # A component that is the version, or a leading part of it, names another directory at the next version: state would
  # be taken for fresh and nothing be run. Its parent can always be named instead, so this is an error.
  checkedDirectory =
    where: service: path:
    let
      named = findFirst (component: elem component (prefixesOf (versionOf service.package))) null (
        splitString "/" path
      );
    in
    if service.package != null && named != null then
      throw "${where}.stateDirectories has `${path}', and `${named}' in it is of the package's version ${versionOf service.package}: at the next version the directory would be empty and the state be taken for fresh. Name the directory above it."
    else
      path;

  # A component that merely ends in such a number may be an instance's, so this is a warning.
  suspectDirectories =
    service:
    let
      versions = prefixesOf (versionOf service.package);
      ends =
        component:
        let
          parts = match ".*[-_.@]v?([0-9][0-9.]*)" component;
        in
        parts != null && elem (head parts) versions;
    in
    if service.package == null then
      [ ]
    else
      filter (path: lib.any ends (splitString "/" path)) service.stateDirectories;

  # What the step engine sets itself.
  ownVariables = [
    "BACKUP"
    "MIGRATION_DIRECTION"
    "MIGRATION_SERVICE"
    "MIGRATION_VERSION"
    "NEW_PACKAGE"
    "OLD_PACKAGE"
    "PATH"
    "STATE_DIRECTORIES"
  ];

  checkedVariable =
    where: name: value:
    if !words.isVariable name then
      throw "${where}.environment has `${name}', which is not the name of a variable."
    else if elem name ownVariables then
      throw "${where}.environment has `${name}', which the scripts are given anyway${
        if name == "PATH" then ": add to ${where}.path" else ""
      }."
    else
      plain value;

  # A value that JSON takes as it is. Paths stay where they are: in JSON they would be copied to the store, and what
  # they name may be a secret.
  plain =
    value:
    if isList value then
      map plain value
    else if isBool value || isInt value then
      value
    else
      toString value;
in
{
  inherit suspectDirectories;

  # The versions of the history, ascending: the names of a set come sorted, and sorted they are in order of time.
  versionsOf = where: service: attrNames (stepsOf where service);

  # The service as `system.build.migrations` has it.
  resolve = where: service: {
    inherit (service)
      package
      detect
      oldest
      path
      ;
    requiredBy = unique service.requiredBy;
    requires = unique service.requires;
    stateDirectories = map (checkedDirectory where service) (unique service.stateDirectories);
    environment = mapAttrs (checkedVariable where) (
      filterAttrs (_: value: value != null) service.environment
    );
    serviceConfig = mapAttrs (_: plain) service.serviceConfig;
    acknowledge = sort (a: b: a < b) (unique service.acknowledge);
    steps = mapAttrs (
      _: step:
      step
      // {
        up = withDigest step.up;
        down = withDigest step.down;
      }
    ) (stepsOf where service);
  };
}
