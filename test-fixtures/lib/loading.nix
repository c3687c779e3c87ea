# Modules as they are written, and the list of all that a set of modules imports.
{ lib }:

let
  inherit (lib)
    addErrorContext
    attrNames
    elem
    head
    isAttrs
    isFunction
    isList
    mapAttrs
    optional
    showDefs
    ;
  inherit (import ./properties.nix { inherit lib; }) mkMerge tagOf;

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
in
{
  inherit collect locate;
}
