# Properties of definitions, `mkIf`, `mkMerge`, `mkForce` and `mkOrder`, and one value out of many definitions.
{ lib }:

let
  inherit (lib)
    addErrorContext
    any
    concatMap
    filter
    foldl'
    head
    isAttrs
    length
    mapAttrs
    showDefs
    showOption
    ;

  tagOf = value: value._type or "";

  defaultOrder = 1000;
  usualPriority = 100;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;

  # A configuration as sets without `mkMerge`, `mkIf` and `mkForce` around them: what stood there stands around their
  # attributes. Names are thereby known without asking a condition.
  pushDown =
    config:
    let
      around =
        wrap: map (set: if isAttrs set then mapAttrs (_: wrap) set else set) (pushDown config.content);
    in
    {
      merge = concatMap pushDown config.contents;
      "if" = around (mkIf config.condition);
      override = around (mkOverride config.priority);
    }
    .${tagOf config} or [ config ];

  # A value as the values that its conditions let through.
  discharge =
    value:
    {
      merge = concatMap discharge value.contents;
      "if" =
        if !builtins.isBool value.condition then
          throw "‘mkIf’ called with a non-Boolean condition"
        else if value.condition then
          discharge value.content
        else
          [ ];
    }
    .${tagOf value} or [ value ];

  # Definitions of the highest priority, without the property.
  prioritised =
    defs:
    let
      priorityOf = def: if tagOf def.value == "override" then def.value.priority else usualPriority;
      highest = foldl' (highest': def: lib.min (priorityOf def) highest') 9999 defs;
      strip = def: if tagOf def.value == "override" then def // { value = def.value.content; } else def;
    in
    {
      values = map strip (
        if length defs == 1 then defs else filter (def: priorityOf def == highest) defs
      );
      highestPrio = if length defs == 1 then priorityOf (head defs) else highest;
    };

  ordered =
    defs:
    let
      strip =
        def:
        if tagOf def.value == "order" then
          def
          // {
            value = def.value.content;
            inherit (def.value) priority;
          }
        else
          def;
      orderOf = def: def.priority or defaultOrder;
    in
    if any (def: tagOf def.value == "order") defs then
      builtins.sort (a: b: orderOf a < orderOf b) (map strip defs)
    else
      defs;

  # One value out of the definitions of an option, or of an attribute or entry within one.
  mergeDefinitions = loc: type: defs: rec {
    final = prioritised (
      concatMap (
        def:
        map (value: {
          inherit (def) file;
          inherit value;
        }) (addErrorContext "while evaluating definitions from `${def.file}':" (discharge def.value))
      ) defs
    );
    inherit (final) highestPrio;
    defsFinal = ordered final.values;
    isDefined = defsFinal != [ ];
    optionalValue = if isDefined then { value = mergedValue; } else { };
    mergedValue =
      if !isDefined then
        type.emptyValue.value
          or (throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
      else if wrong != null then
        throw "A definition for option `${showOption loc}' is not of type `${type.description}'. ${wrong}"
      else
        type.merge loc defsFinal;
    wrong =
      if type ? fault then
        let
          fault = type.fault loc defsFinal;
        in
        if fault == null then null else "TypeError: ${fault}"
      else
        let
          refused = filter (def: !type.check def.value) defsFinal;
        in
        if refused == [ ] then null else "Definition values:${showDefs refused}";
  };
in
{
  inherit
    mergeDefinitions
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOptionDefault
    mkOrder
    mkOverride
    pushDown
    tagOf
    ;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkVMOverride = mkOverride 10;
  defaultOverridePriority = usualPriority;
  filterOverrides = defs: (prioritised defs).values;
}
