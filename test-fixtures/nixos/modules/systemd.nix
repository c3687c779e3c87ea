# `systemd.units`, what writes them (`systemd.services`, `systemd.targets`), and the directory of all units.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapStrings
    concatStrings
    mapAttrs'
    mapAttrsToList
    mkIf
    mkOption
    nameValuePair
    optionalAttrs
    optionalString
    types
    ;

  cfg = config.systemd;
  options = import ./unit-options.nix { inherit lib; };
  inherit (import ./unit-files.nix { inherit config lib pkgs; }) makeUnit systemUnits;

  toOption = value: if lib.isBool value then lib.boolToString value else toString value;

  toSection =
    keys:
    concatStrings (
      mapAttrsToList (
        key: values: concatMapStrings (value: "${key}=${toOption value}\n") (lib.toList values)
      ) keys
    );

  # The lists of units become keys of `[Unit]`, of which there is one line each.
  describe =
    { config, ... }:
    {
      config.unitConfig =
        let
          key = name: units: optionalAttrs (units != [ ]) { ${name} = toString units; };
        in
        key "Requires" config.requires
        // key "Wants" config.wants
        // key "After" config.after
        // key "Before" config.before
        // key "BindsTo" config.bindsTo
        // key "PartOf" config.partOf
        // key "Conflicts" config.conflicts
        // optionalAttrs (config.description != "") { Description = config.description; };
    };

  jobScript =
    name: text:
    let
      scriptName = lib.replaceStrings [ "\\" "@" ] [ "-" "_" ] name;
      script = pkgs.writeTextFile {
        name = "unit-script-${scriptName}";
        destination = "/bin/${scriptName}";
        executable = true;
        text = "#!${pkgs.runtimeShell}\nset -e\n\n${text}\n";
      };
    in
    "${script}/bin/${scriptName}";

  serviceModule =
    { name, config, ... }:
    {
      options =
        options.linked
        // options.described
        // {
          serviceConfig = options.section "Keys of `[Service]`.";
          environment = mkOption {
            type = types.attrsOf (types.nullOr options.value);
            default = { };
            description = "Environment of the processes.";
          };
          path = mkOption {
            type = types.listOf types.package;
            default = [ ];
            description = "What is in the PATH of the processes.";
          };
          preStart = mkOption {
            type = types.lines;
            default = "";
            description = "What runs before the main process.";
          };
          script = mkOption {
            type = types.lines;
            default = "";
            description = "The main process.";
          };
          restartIfChanged = mkOption {
            type = types.bool;
            default = true;
            description = "Whether a switch restarts it.";
          };
          reloadIfChanged = mkOption {
            type = types.bool;
            default = false;
            description = "Whether a switch reloads it instead.";
          };
          restartTriggers = mkOption {
            type = types.listOf types.raw;
            default = [ ];
            description = "What restarts it when it changes.";
          };
        };
      config = {
        path = lib.mkAfter [
          pkgs.coreutils
          pkgs.findutils
          pkgs.gnugrep
          pkgs.gnused
          pkgs.systemd
        ];
        environment.PATH =
          mkIf (config.path != [ ])
            "${lib.makeBinPath config.path}:${lib.makeSearchPathOutput "bin" "sbin" config.path}";
        unitConfig = optionalAttrs (config.restartTriggers != [ ]) {
          X-Restart-Triggers = "${pkgs.writeText "X-Restart-Triggers-${name}" (
            toString config.restartTriggers
          )}";
        };
        serviceConfig = lib.mkMerge [
          (mkIf (config.preStart != "") {
            ExecStartPre = [ (jobScript "${name}-pre-start" config.preStart) ];
          })
          (mkIf (config.script != "") {
            ExecStart = jobScript "${name}-start" config.script;
          })
        ];
      };
    };

  linkedPart = unit: {
    inherit (unit)
      aliases
      enable
      overrideStrategy
      requiredBy
      wantedBy
      ;
  };

  serviceToUnit =
    service:
    linkedPart service
    // {
      text = ''
        [Unit]
        ${toSection service.unitConfig}
        [Service]
      ''
      + concatStrings (
        mapAttrsToList (
          name: value:
          optionalString (value != null) "Environment=${builtins.toJSON "${name}=${toString value}"}\n"
        ) service.environment
      )
      + (
        if service.reloadIfChanged then
          "X-ReloadIfChanged=true\n"
        else
          optionalString (!service.restartIfChanged) "X-RestartIfChanged=false\n"
      )
      + toSection service.serviceConfig;
    };

  targetToUnit =
    target:
    linkedPart target
    // {
      text = "[Unit]\n${toSection target.unitConfig}";
    };
in
{
  options.systemd = {
    units = mkOption {
      default = { };
      description = "Unit files, by name.";
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            options = options.linked // {
              text = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "Text of the unit file.";
              };
              unit = mkOption {
                internal = true;
                description = "The derivation that holds it.";
              };
            };
            config.unit = lib.mkDefault (makeUnit name config);
          }
        )
      );
    };

    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose units are linked.";
    };

    services = mkOption {
      default = { };
      description = "Services, by name without `.service`.";
      type = types.attrsOf (
        types.submodule [
          serviceModule
          describe
        ]
      );
    };

    targets = mkOption {
      default = { };
      description = "Targets, by name without `.target`.";
      type = types.attrsOf (
        types.submodule [
          { options = options.linked // options.described; }
          describe
        ]
      );
    };
  };

  config = {
    systemd.units =
      mapAttrs' (name: service: nameValuePair "${name}.service" (serviceToUnit service)) cfg.services
      // mapAttrs' (name: target: nameValuePair "${name}.target" (targetToUnit target)) cfg.targets;

    systemd.targets.sysinit-reactivation = {
      description = "Reactivate sysinit units";
    };

    environment.etc."systemd/system".source = systemUnits;
  };
}
