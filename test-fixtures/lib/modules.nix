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
    filter
    foldl'
    head
    init
    isAttrs
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

  properties = import ./properties.nix { inherit lib; };
  inherit (properties) mergeDefinitions mkOptionDefault pushDown;
  inherit (import ./loading.nix { inherit lib; }) collect locate;

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
removeAttrs properties [
  "pushDown"
  "tagOf"
]
// {
  inherit evalModules;
  setDefaultModuleLocation = locate;
  evalOptionValue = evalOption;
}
