# What nixmig reads of evaluated systems: docs/formats.md, "The projection of an evaluation", states the result.
#
# Asking the module system whether a text is there evaluates it: digests cost next to nothing more, and a text with
# an error in it, from which no system could be built, is an error here. The words go out with `scripts` alone. Nothing
# but strings without context, booleans and nulls goes out, never a path or a derivation. Uses no library: it must read
# any release of NixOS.
{
  # Whether the texts of scripts are wanted.
  scripts,
  # Well-known services: { name = "…"; instances = null or [ "services" … ]; enable = [ … ]; package = [ "services" … ]; }
  # each, where `enable` is looked up in each instance, or in `config` where `instances` is null.
  programs,
  # The systems: { attribute = null or the one of `value` that holds the system;
  # inside = [ { kind = "specialisation" or "container"; name = "…"; } … ]; } each.
  wanted,
}:

let
  inherit (builtins)
    all
    attrNames
    attrValues
    deepSeq
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isString
    listToAttrs
    map
    mapAttrs
    match
    parseDrvName
    removeAttrs
    tryEval
    unsafeDiscardStringContext
    ;

  withoutNulls = set: removeAttrs set (filter (name: set.${name} == null) (attrNames set));

  # Of a path too, without copying what it names to the store.
  plain = value: unsafeDiscardStringContext (toString value);
  plainOrNull = value: if value == null then null else plain value;

  readText =
    text:
    if text == null then
      null
    else if scripts then
      { text = plain text; }
    else
      true;

  readAction =
    action:
    withoutNulls {
      script = readText action.script;
      warn = plainOrNull action.warn;
      backup = readText action.backup;
      restore = readText action.restore;
      verify = readText action.verify;
      digest = plainOrNull action.digest;
    };

  readStep = step: {
    program = plainOrNull step.program;
    inherit (step) cumulative;
    origin = plainOrNull step.origin;
    up = readAction step.up;
    down = readAction step.down;
  };

  # Never the package's paths, which would force its derivation.
  readPackage =
    package:
    if !isAttrs package then
      null
    else
      let
        parsed = parseDrvName (plain (package.name or ""));
      in
      {
        name = plain (package.pname or parsed.name);
        version = plain (package.version or parsed.version);
      };

  # What cannot be evaluated is not switched off.
  isEnabled =
    unit:
    let
      tried = tryEval (unit.enable or true);
    in
    !tried.success || tried.value;

  # NixOS starts no unit that its configuration does not speak of, whatever its packages bring. A service is asked
  # whether it is switched off before its unit is, which costs much more.
  readUnits =
    systemd:
    let
      isOn =
        name:
        let
          service = match "(.*)[.]service" name;
        in
        service != null && isEnabled (systemd.services.${head service} or systemd.units.${name});
      tried = tryEval (if systemd ? units then filter isOn (attrNames systemd.units) else null);
    in
    if tried.success then tried.value else null;

  readService = units: name: service: {
    masked = !isEnabled (units."migrate-${name}.service" or { });
    units = map plain service.requiredBy;
    requires = map plain service.requires;
    package = readPackage service.package;
    stateDirectories = map plain service.stateDirectories;
    detect = readText service.detect;
    oldest = plainOrNull service.oldest;
    acknowledge = map plain service.acknowledge;
    steps = mapAttrs (_: readStep) service.steps;
  };

  get = foldl' (set: name: set.${name} or null);

  # One service that does not evaluate, or has other options in this release, says nothing of the others. An option that
  # throws was removed, and nobody can switch it on; a service that is on has a program, even if nothing tells which.
  readProgram =
    config: known:
    let
      valueOr =
        default: value:
        let
          tried = tryEval (deepSeq value value);
        in
        if tried.success then tried.value else default;
      isOn = set: valueOr false (get set known.enable == true);
      package = valueOr null (readPackage (get config known.package));
      program = if package == null || package.name == "" then { unknown = true; } else package;
      found = get config known.instances;
      instances = valueOr [ ] (
        if isAttrs found then filter (name: isOn found.${name}) (attrNames found) else [ ]
      );
    in
    if known.instances == null then
      if isOn config then program else null
    else if instances == [ ] then
      null
    else
      program // { inherit instances; };

  # The version says more, but it may be set to anything.
  readRelease =
    nixos:
    let
      version = nixos.version or null;
      tried = tryEval (isString version && match "[0-9]{2}[.][0-9]{2}([^0-9].*)?" version != null);
    in
    plainOrNull (if tried.success && tried.value then version else nixos.release or null);

  readSystem = config: {
    format = 1;
    release = readRelease (config.system.nixos or { });
    services = mapAttrs (readService (config.systemd.units or { })) (
      config.system.build.migrations or { }
    );
    units = readUnits (config.systemd or { });
    programs = withoutNulls (
      listToAttrs (
        map (known: {
          inherit (known) name;
          value = readProgram config known;
        }) programs
      )
    );
  };

  missing = kind: name: set: {
    missing = kind;
    inherit name;
    there = if isAttrs set then attrNames set else [ ];
  };

  # A file may hold a function that needs no arguments, as nixpkgs' nixos/default.nix does. A module's `{ ... }:` is none.
  called =
    value:
    let
      arguments = functionArgs value;
    in
    if isFunction value && arguments != { } && all (hasDefault: hasDefault) (attrValues arguments) then
      value { }
    else
      value;

  # A system, or its `config` itself.
  configOf = value: if isAttrs value then value.config or value else value;

  start =
    value: attribute:
    if attribute == null then
      { config = configOf (called value); }
    else if value ? ${attribute} then
      { config = configOf value.${attribute}; }
    else
      missing "host" attribute value;

  enter =
    found:
    { kind, name }:
    let
      systems =
        {
          specialisation = found.config.specialisation or { };
          container = found.config.containers or { };
        }
        .${kind};
      system = systems.${name};
    in
    if found ? missing then
      found
    else if systems ? ${name} then
      { config = if kind == "container" then system.config else system.configuration; }
    else
      missing kind name systems;
in
value:
map (
  { attribute, inside }:
  let
    found = foldl' enter (start value attribute) inside;
  in
  if found ? missing then
    found
  else if !(found.config ? system.build) then
    missing "configuration" "system.build" { }
  else
    readSystem found.config
) wanted
