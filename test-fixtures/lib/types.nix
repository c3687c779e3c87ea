# Types of options: what they accept, and how several definitions become one value.
{ lib }:

let
  inherit (lib) types;
in
rec {
  isOptionType = lib.isType "option-type";

  mkOptionType =
    type@{ name, ... }:
    {
      check = _: true;
      merge = lib.mergeDefaultOption;
      description = name;
      descriptionClass = null;
      emptyValue = { };
      getSubOptions = _: { };
      getSubModules = null;
      substSubModules = _: null;
      nestedTypes = { };
      deprecationMessage = null;
      functor = {
        inherit name;
        type = types.${name} or null;
        payload = null;
        binOp = _: _: null;
      };
      # The type that stands for this one and for another by its functor, or null.
      typeMerge =
        other:
        let
          mine = (mkOptionType type).functor;
          payload = mine.binOp mine.payload other.payload;
        in
        if mine.name != other.name then
          null
        else if mine.payload == null then
          mine.type
        else if payload == null then
          null
        else
          mine.type payload;
    }
    // type
    // {
      _type = "option-type";
    };
}
// import ./value-types.nix { inherit lib; }
// import ./compound-types.nix { inherit lib; }
