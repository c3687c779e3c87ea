# The module system: modules in, options and their merged values out.
{ lib }:

let
  inherit (lib)
    addErrorContext
    all
    any
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    init
    isAttrs
    isFunction
    isList
    isOption
    last
    length
    mapAttrs
    mkOption
    optional
    showDefs
    showFiles
    showOption
    types
    zipAttrs
    zipAttrsWith
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

  # A module as `{ file; key; imports; options; config; }`, whatever form it was written in.
  unify =
    file: key: module:
    let
      meta = [
        "_class"
        "_file"
        "key"
        "disabledModules"
        "imports"
        "freeformType"
      ];
      unknown = attrNames (
        removeAttrs module (
          meta
          ++ [
            "options"
            "config"
            "meta"
          ]
        )
      );
      isLong = module ? config || module ? options;
      base = if isLong then module.config or { } else removeAttrs module (meta ++ [ "require" ]);
      extra =
        optional (isLong && module ? meta) { inherit (module) meta; }
        ++ optional (module ? freeformType) { _module.freeformType = module.freeformType; };
    in
    if !isAttrs module then
      throw "module ${file} (${key}) does not look like a module."
    else if isLong && unknown != [ ] then
      throw "Module `${key}' has an unsupported attribute `${head unknown}'. This is caused by introducing a top-level `config' or `options' attribute. Add configuration attributes immediately on the top level instead, or move all of them (namely: ${toString unknown}) into the explicit `config' attribute."
    else
      {
        file = toString (module._file or file);
        key = toString (module.key or key);
        imports = (if isLong then [ ] else module.require or [ ]) ++ module.imports or [ ];
        options = if isLong then module.options or { } else { };
        config = if extra == [ ] then base else mkMerge ([ base ] ++ extra);
      };

  # A module function with the arguments that it names: those given from outside, else `_module.args`.
  call =
    key: args: f:
    f (
      args
      // mapAttrs (
        name: _:
        addErrorContext "while evaluating the module argument `${name}' in \"${key}\":" (
          args.${name} or args.config._module.args.${name}
        )
      ) (lib.functionArgs f)
    );

  # All modules with their imports, nearest first, each once.
  collect =
    args: modules:
    let
      load =
        parent: key: module:
        if isFunction module then
          unify parent key (call key args module)
        else if
          elem (tagOf module) [
            "if"
            "override"
          ]
        then
          unify parent key { config = module; }
        else if isAttrs module then
          unify parent key module
        else if isList module then
          throw "Module imports can't be nested lists. Perhaps you meant to remove one level of lists? Definitions: ${
            showDefs [
              {
                file = parent;
                value = module;
              }
            ]
          }"
        else
          let
            file = toString module;
            content = import module;
          in
          unify file file (if isFunction content then call file args content else content);
      tree =
        parent: parentKey: children:
        lib.imap1 (
          n: child:
          let
            module = load parent "${parentKey}:anon-${toString n}" child;
          in
          {
            inherit (module) key;
            inherit module;
            children = tree module.file module.key module.imports;
          }
        ) children;
    in
    map (node: node.module) (
      builtins.genericClosure {
        startSet = tree lib.unknownModule "" modules;
        operator = node: node.children;
      }
    );

  locate = file: module: {
    _file = file;
    imports = [ module ];
  };

  # Several declarations of one option as one: at most one gives a default or a description, types must agree.
  mergeDeclarations =
    loc: decls:
    foldl'
      (
        done: decl:
        let
          new = decl.options;
          merged = done.type.typeMerge new.type.functor;
          twice = throw "The option `${showOption loc}' in `${decl.file}' is already declared in ${showFiles done.declarations}.";
          inBoth = name: new ? ${name} && done ? ${name};
          subModules = new.type.getSubModules or null;
        in
        if
          any inBoth [
            "default"
            "example"
            "description"
            "apply"
          ]
        then
          twice
        else
          new
          // done
          // {
            declarations = done.declarations ++ [ decl.file ];
            options = (if subModules == null then [ ] else map (locate decl.file) subModules) ++ done.options;
          }
          // lib.optionalAttrs (inBoth "type") { type = if merged == null then twice else merged; }
      )
      {
        inherit loc;
        declarations = [ ];
        options = [ ];
      }
      decls;

  # The option's type, made of the submodules as they were declared, each knowing its file.
  withSubModules =
    option:
    option
    // (
      if option.type.getSubModules or null == null then
        { type = option.type or types.unspecified; }
      else
        {
          type = option.type.substSubModules option.options;
          options = [ ];
        }
    );

  evalOption =
    loc: option: defs:
    let
      defs' =
        optional (option ? default) {
          file = head option.declarations;
          value = mkOptionDefault option.default;
        }
        ++ defs;
      merged =
        if option.readOnly or false && length defs' > 1 then
          throw "The option `${showOption loc}' is read-only, but it's set multiple times. Definition values:${
            showDefs (
              map (def: def // { value = (mergeDefinitions loc option.type [ def ]).mergedValue; }) defs'
            )
          }"
        else
          mergeDefinitions loc option.type defs';
      value = if option ? apply then option.apply merged.mergedValue else merged.mergedValue;
    in
    option
    // {
      value = addErrorContext "while evaluating the option `${showOption loc}':" value;
      inherit (merged) highestPrio isDefined;
      definitions = map (def: def.value) merged.defsFinal;
      files = map (def: def.file) merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      __toString = _: showOption loc;
    };

  # Options declared below an option of submodule type, as one more submodule.
  asSubmodule =
    decl:
    if isOption decl.options then
      decl
    else
      decl
      // {
        options = mkOption {
          type = types.submoduleWith {
            modules = [ { inherit (decl) options; } ];
            shorthandOnlyDefinesConfig = null;
          };
        };
      };

  # What to say of a declaration that is some other kind of set.
  notAnOption =
    loc: tag: file:
    let
      path = showOption loc;
    in
    "In module ${file}: expected an option declaration at option path `${path}` but got an attribute set with type ${tag}"
    + lib.optionalString (tag == "option-type") (
      "\n\n"
      + ''
        When declaring an option, you must wrap the type in a `mkOption` call. It should look somewhat like:
            ${lib.optionalString (length loc > 1) "\n    # ${path}"}
            ${lib.escapeNixIdentifier (last loc)} = lib.mkOption {
              description = ...;
              type = <the type you wrote for ${lib.escapeNixIdentifier (last loc)}>;
              ...
            };
      ''
    );

  # One level of the tree of options: `decls` are sets of options with their file, `configs` sets of definitions.
  # `unmatched` are the definitions that no option is declared for, each with its path.
  evalLevel =
    prefix: decls: configs:
    let
      declsByName = zipAttrs (
        map (
          decl:
          if isAttrs decl.options then
            mapAttrs (_: options: {
              inherit (decl) file;
              inherit options;
            }) decl.options
          else
            throw ''
              An option declaration for `${concatStringsSep "." prefix}' has type
              `${builtins.typeOf decl.options}' rather than an attribute set.
              Did you mean to define this outside of `options'?
            ''
        ) decls
      );
      sets = map (
        def:
        if isAttrs def.config then
          def
        else
          throw ''
            In module `${def.file}', you're trying to define a value of type `${builtins.typeOf def.config}'
            rather than an attribute set for the option
            `${concatStringsSep "." prefix}'!

            This usually happens if `${concatStringsSep "." prefix}' has option
            definitions inside that are not matched. Please check how to properly define
            this option by e.g. referring to `man 5 configuration.nix'!
          ''
      ) configs;
      defsByName = zipAttrs (
        map (
          def:
          mapAttrs (_: value: {
            inherit (def) file;
            inherit value;
          }) def.config
        ) sets
      );
      configsByName = zipAttrsWith (_: concatLists) (
        map (
          def:
          mapAttrs (
            _: value:
            map (config: {
              inherit (def) file;
              inherit config;
            }) (pushDown value)
          ) def.config
        ) sets
      );

      evalName =
        name: decls':
        let
          loc = prefix ++ [ name ];
          isDeclared =
            decl:
            isOption decl.options
            || decl.options ? _type && throw (notAnOption loc decl.options._type decl.file);
          sorted = lib.partition isDeclared decls';
          declared = sorted.right;
          nested = sorted.wrong;
          option = decls'': {
            options = evalOption loc (withSubModules (mergeDeclarations loc decls'')) (
              defsByName.${name} or [ ]
            );
            unmatched = [ ];
          };
        in
        if nested == [ ] then
          option decls'
        else if declared == [ ] then
          evalLevel loc decls' (configsByName.${name} or [ ])
        else if all (decl: decl.options.type.name or null == "submodule") declared then
          option (map asSubmodule decls')
        else
          throw "The option `${showOption loc}' in module `${(head declared).file}' would be a parent of the following options, but its type `${
            (head declared).options.type.description or "<no description>"
          }' does not support nested options.\n${
            concatStringsSep "\n" (
              builtins.sort (a: b: a < b) (
                concatMap (
                  decl:
                  map (
                    name': " - option(s) with prefix `${showOption (loc ++ [ name' ])}' in module `${decl.file}'"
                  ) (attrNames decl.options)
                ) nested
              )
            )
          }";

      results = mapAttrs evalName declsByName;
      unmatchedByName =
        mapAttrs (_: result: result.unmatched) results // removeAttrs defsByName (attrNames results);
    in
    {
      options = mapAttrs (_: result: result.options) results;
      unmatched =
        if configs == [ ] then
          [ ]
        else
          concatMap (
            name: map (def: def // { prefix = [ name ] ++ def.prefix or [ ]; }) unmatchedByName.${name}
          ) (attrNames unmatchedByName);
    };

  # What to say of a definition for an option that does not exist, with the three names that are nearest.
  unknownOption =
    prefix: options: def:
    let
      parent = init def.prefix;
      siblings = attrNames (lib.attrByPath parent { } options);
      distance = lib.strings.levenshtein (last def.prefix);
      candidates = if parent == [ ] then lib.remove "_module" siblings else siblings;
      near = if length candidates < 100 then candidates else filter (name: distance name <= 2) candidates;
      names = map (name: "`${showOption (prefix ++ parent ++ [ name ])}'") (
        lib.take 3 (lib.sortOn distance near)
      );
      suggestion =
        if names == [ ] then
          ""
        else if length names == 1 then
          "\n\nDid you mean ${head names}?"
        else
          "\n\nDid you mean ${concatStringsSep ", " (init names)} or ${last names}?";
      message = "The option `${
        showOption (prefix ++ def.prefix)
      }' does not exist. Definition values:${showDefs [ def ]}${suggestion}";
    in
    if attrNames options != [ "_module" ] then
      message
    else if prefix == [ ] then
      ''
        ${message}

        It seems as if you're trying to declare an option by placing it into `config' rather than `options'!
      ''
    else
      ''
        ${message}

        However there are no options defined in `${showOption prefix}'. Are you sure you've
        declared your options properly? This can happen if you e.g. declared your options in `types.submodule'
        under `config' rather than `options'.
      '';

  evalModules =
    evaluation@{
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
    }:
    let
      own = {
        _file = "lib/modules.nix";
        key = "lib/modules.nix";
        options._module = {
          args = mkOption {
            type = types.lazyAttrsOf types.raw;
            internal = prefix != [ ];
            description = "Additional arguments of modules.";
          };
          check = mkOption {
            type = types.bool;
            internal = true;
            default = true;
            description = "Whether definitions without an option are an error.";
          };
          freeformType = mkOption {
            type = types.nullOr types.optionType;
            internal = true;
            default = null;
            description = "The type that merges definitions without an option.";
          };
          specialArgs = mkOption {
            readOnly = true;
            internal = true;
            description = "Arguments of modules that imports may depend on.";
          };
        };
        config._module = {
          args = { inherit extendModules; };
          inherit specialArgs;
        };
      };

      collected = lib.reverseList (
        collect (
          {
            inherit
              config
              lib
              options
              specialArgs
              ;
          }
          // specialArgs
        ) (modules ++ [ own ])
      );

      level = evalLevel prefix collected (
        concatMap (
          module:
          map (config': {
            inherit (module) file;
            config = config';
          }) (pushDown module.config)
        ) collected
      );
      inherit (level) options;

      declared = lib.mapAttrsRecursiveCond (value: !isOption value) (_: option: option.value) options;
      open = declared._module.freeformType;
      config =
        if open == null then
          declared
        else
          lib.recursiveUpdate (
            if level.unmatched == [ ] then
              { }
            else
              open.merge prefix (
                map (def: {
                  inherit (def) file;
                  value = lib.setAttrByPath def.prefix def.value;
                }) level.unmatched
              )
          ) declared;

      check =
        if config._module.check && open == null && level.unmatched != [ ] then
          throw (unknownOption prefix options (head level.unmatched))
        else
          null;
      checked = builtins.seq check;

      extendModules =
        extension:
        evalModules (
          evaluation
          // {
            modules = modules ++ extension.modules or [ ];
            specialArgs = specialArgs // extension.specialArgs or { };
            prefix = extension.prefix or prefix;
          }
        );
    in
    {
      _type = "configuration";
      options = checked options;
      config = checked (removeAttrs config [ "_module" ]);
      _module = checked config._module;
      inherit extendModules class;
    };
in
{
  inherit
    evalModules
    mergeDefinitions
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOptionDefault
    mkOrder
    mkOverride
    ;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkVMOverride = mkOverride 10;
  defaultOverridePriority = usualPriority;
  filterOverrides = defs: (prioritised defs).values;
  setDefaultModuleLocation = locate;
  evalOptionValue = evalOption;
}
