# The options that every kind of unit has.
{ lib }:

let
  inherit (lib) mkOption types;

  listOfUnits =
    description:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description;
    };

  value = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
    types.package
  ];

  # One value, or several of one key; several definitions of which one is a list are concatenated.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: defs:
      let
        checked = lib.filterOverrides defs;
      in
      if lib.any (def: lib.isList def.value) checked then
        lib.concatMap (def: lib.toList def.value) checked
      else
        lib.mergeEqualOption loc checked;
  };

  section =
    description:
    mkOption {
      type = types.attrsOf unitOption;
      default = { };
      inherit description;
    };
in
{
  inherit section;

  # What `systemd.units` holds besides the text.
  linked = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Off, the unit is masked.";
    };
    aliases = listOfUnits "Further names of the unit.";
    wantedBy = listOfUnits "Units that want this one.";
    requiredBy = listOfUnits "Units that require this one.";
    overrideStrategy = mkOption {
      type = types.enum [
        "asDropinIfExists"
        "asDropin"
      ];
      default = "asDropinIfExists";
      description = "Whether the unit stands alone or extends a package's.";
    };
  };

  described = {
    description = mkOption {
      type = types.str;
      default = "";
      description = "What the unit is.";
    };
    requires = listOfUnits "Units that must be up.";
    wants = listOfUnits "Units that should be up.";
    after = listOfUnits "Units to start after.";
    before = listOfUnits "Units to start before.";
    bindsTo = listOfUnits "Units to stop with.";
    partOf = listOfUnits "Units to restart with.";
    conflicts = listOfUnits "Units to exclude.";
    unitConfig = section "Keys of `[Unit]`.";
  };

  inherit value;
}
