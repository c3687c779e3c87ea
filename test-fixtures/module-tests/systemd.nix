# What the module needs of NixOS, in types as NixOS has them: units, services, packages, assertions, warnings, `system.build`.
# A case sets `shown` to what its expectation is about; unset, it is all that the module adds to a system.
{ config, lib, ... }:

let
  inherit (lib)
    filter
    filterAttrs
    mapAttrs
    mkOption
    types
    ;

  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";

  value = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: defs:
      let
        defs' = lib.filterOverrides defs;
      in
      if lib.isList (lib.head defs').value then
        lib.concatMap (def: def.value) defs'
      else
        lib.options.mergeEqualOption loc defs';
  };

  option =
    type: default:
    mkOption {
      inherit type default;
      description = "As in NixOS.";
    };
  units = option (types.listOf unitName) [ ];
  section = option (types.attrsOf value) { };

  linesOf = text: filter lib.isString (builtins.split "\n" text);
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];
    environment.systemPackages = option (types.listOf types.package) [ ];
    system.preSwitchChecks = option (types.attrsOf types.str) { };
    system.build = option (types.submoduleWith {
      modules = [ { freeformType = types.lazyAttrsOf (types.uniq types.unspecified); } ];
    }) { };

    systemd.units = option (types.attrsOf (
      types.submodule { options.text = option (types.nullOr types.str) null; }
    )) { };

    systemd.services = option (types.attrsOf (
      types.submodule {
        options = {
          enable = option types.bool true;
          overrideStrategy = option (types.enum [
            "asDropinIfExists"
            "asDropin"
          ]) "asDropinIfExists";
          description = option types.str "";
          wantedBy = units;
          requires = units;
          after = units;
          unitConfig = section;
          serviceConfig = section;
          restartIfChanged = option types.bool true;
          reloadIfChanged = option types.bool false;
        };
      }
    )) { };

    shown = mkOption {
      type = types.raw;
      default = {
        gates = mapAttrs (_: unit: linesOf unit.text) config.systemd.units;
        gated = mapAttrs (_: unit: { inherit (unit) requires after unitConfig; }) (
          filterAttrs (
            name: unit: name != "nixmig" && (unit.requires != [ ] || unit.unitConfig != { })
          ) config.systemd.services
        );
        nixmig = {
          inherit (config.systemd.services.nixmig)
            wantedBy
            restartIfChanged
            unitConfig
            serviceConfig
            ;
        };
        checks = config.system.preSwitchChecks;
        packages = map toString config.environment.systemPackages;
        inherit (config) warnings;
        failed = map (assertion: assertion.message) (
          filter (assertion: !assertion.assertion) config.assertions
        );
      };
      description = "What the case is about.";
    };
  };
}
