# Migrations of the state of services: options, gates, and what makes services wait for their gates.
#
# `systemd.services` may not depend on its own names, so what `migrations` adds to it hangs on `migrations` alone, and
# what `systemd.services.<name>.migrations` adds is added inside that service. Both meet in `system.build.migrations`,
# which only the gates in `systemd.units`, assertions and warnings read.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:

let
  inherit (lib)
    attrNames
    concatLists
    concatStringsSep
    filter
    filterAttrs
    head
    listToAttrs
    literalExpression
    mapAttrs
    mapAttrs'
    mapAttrsToList
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    nameValuePair
    removeSuffix
    showFiles
    types
    unique
    ;
  inherit (lib.strings) escapeNixIdentifier;

  cfg = config.services.nixmig;

  words = import ./words.nix { inherit lib; };
  history = import ./history.nix { inherit lib; };
  findCycle = import ./cycle.nix { inherit lib; };
  findOverlaps = import ./overlap.nix { inherit lib; };
  ours = import ./types.nix { inherit lib; };
  serviceType = fixedName: import ./service.nix { inherit lib fixedName; };
  gateText = import ./gate.nix {
    inherit lib pkgs;
    nixmig = cfg.package;
    inherit (cfg) path;
  };

  gateOf = name: "migrate-${name}.service";
  whereOf = name: "migrations.${name}";
  whereOfSugar = name: "systemd.services.${escapeNixIdentifier name}.migrations";

  # What a unit gets that may not start before its gate. The line changes with the versions alone, and a running unit
  # is restarted when it does.
  gated = name: where: service: {
    requires = [ (gateOf name) ];
    after = [ (gateOf name) ];
    unitConfig.X-Migration-Versions = [
      (concatStringsSep " " ([ name ] ++ history.versionsOf where service))
    ];
  };

  # Generations may come that have no gates, and nothing of nixmig: services are guarded from those that can be booted when the
  # machine starts or goes down, and from whichever comes when a switch stops this unit, since the next generation has none.
  nixmig = {
    description = "Guard services from generations without gates";
    wantedBy = [ "multi-user.target" ];
    restartIfChanged = false;
    unitConfig.RequiresMountsFor = "/etc/systemd /nix/var/nix/profiles /var/lib/nixmig";
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${cfg.package}/bin/nixmig guard";
      ExecStop = "${cfg.package}/bin/nixmig guard --leaving";
    };
  };

  fromMigrations = mapAttrs (name: history.resolve (whereOf name)) config.migrations;

  fromServices = mapAttrs (
    name: unit:
    let
      where = whereOfSugar name;
    in
    if !words.isService name then
      throw "`${name}' cannot name a service with migrations: declare `migrations.NAME' with `requiredBy = [ \"${name}.service\" ]' in place of `${where}'."
    else if unit.migrations.requiredBy != [ "${name}.service" ] then
      throw "`${where}.requiredBy' may name nothing but `${name}.service': for further units declare `${whereOf name}'."
    else
      history.resolve where unit.migrations
  ) (filterAttrs (_: unit: unit.migrations != null) config.systemd.services);

  twice = attrNames (builtins.intersectAttrs fromMigrations fromServices);
  filesOf =
    name:
    map (def: def.file) (filter (def: def.value ? ${name}) options.migrations.definitionsWithLocations);

  services =
    if twice != [ ] then
      let
        name = head twice;
      in
      throw "`${whereOf name}', in ${showFiles (filesOf name)}, and `${whereOfSugar name}' are both defined, and a service has one history: keep one of them."
    else
      fromMigrations // fromServices;

  cycle = findCycle services;

  whereIs = name: if fromMigrations ? ${name} then whereOf name else whereOfSugar name;
  declaredOf = name: config.migrations.${name} or config.systemd.services.${name}.migrations;
  unitOf = name: config.systemd.services.${removeSuffix ".service" name};

  # A name that nothing else gives commands to is most likely misspelt, and its migrations would guard nothing.
  assertionsOf =
    name: service:
    map (
      unitName:
      let
        unit = unitOf unitName;
      in
      {
        assertion =
          !unit.enable
          || unit.serviceConfig ? ExecStart
          || (unit.overrideStrategy or "asDropinIfExists") == "asDropin";
        message = "`${unitName}', which waits for the migrations of `${whereIs name}', has no ExecStart=: is it misspelt, or its service switched off? If it comes from `systemd.packages', set `systemd.services.${escapeNixIdentifier (removeSuffix ".service" unitName)}.overrideStrategy = \"asDropin\"'.";
      }
    ) service.requiredBy;

  # Each service is backed up, restored and stamped by itself.
  overlapAssertion =
    { outer, inner }:
    let
      whose = directory: "${whereIs directory.name}.stateDirectories";
    in
    {
      assertion = false;
      message =
        if outer.path == inner.path then
          "`${whose outer}' and `${whose inner}' both have `${inner.path}': a directory holds the state of one service. Declare one service whose `requiredBy' names the units of both, or give each a directory of its own."
        else
          "`${whose inner}' has `${inner.path}', which lies in `${outer.path}' of `${whose outer}': a directory holds the state of one service. Name directories that hold nothing of the other.";
    };

  warningsOf =
    name: service:
    let
      where = whereIs name;
      late = filter (
        unitName:
        let
          unit = unitOf unitName;
        in
        (unit.reloadIfChanged or false) || !(unit.restartIfChanged or true)
      ) service.requiredBy;
      unknown = filter (version: !(declaredOf name).steps ? ${version}) service.acknowledge;
    in
    map (
      unitName:
      "`${unitName}' is not restarted by a switch (reloadIfChanged or restartIfChanged = false), so `${where}' takes effect only at its next start."
    ) late
    ++ map (
      version: "${where}.acknowledge has ${version}, and no migration of that version is declared."
    ) unknown
    ++ map (
      path:
      "${where}.stateDirectories has `${path}', which seems to have the package's version in it: at the next version the directory would be empty and the state be taken for fresh."
    ) (history.suspectDirectories service);
in
{
  imports = [ ./check.nix ];

  options = {
    services.nixmig = {
      enable = mkEnableOption "migrating the state of services between systems with nixmig";

      package = mkOption {
        type = types.package;
        default = pkgs.nixmig;
        defaultText = literalExpression "pkgs.nixmig";
        description = "The nixmig package that the gates run, and that is in everybody's `PATH`.";
      };

      path = mkOption {
        type = types.listOf types.package;
        default = [
          pkgs.coreutils
          pkgs.findutils
          pkgs.gnugrep
          pkgs.gnused
        ];
        defaultText = literalExpression "with pkgs; [ coreutils findutils gnugrep gnused ]";
        description = "Packages that all scripts of migrations find in `PATH`, after those of their service.";
      };
    };

    migrations = mkOption {
      type = ours.services (serviceType null);
      default = { };
      example = literalExpression ''
        {
          postgresql = {
            stateDirectories = [ "/var/lib/postgresql" ];
            package = config.services.postgresql.package;
            steps."2023-09-14" = {
              program = "16";
              up.script = "…";
              down.script = "…";
            };
          };
        }
      '';
      description = ''
        What brings the state of services from one system's programs to another's and back, by service. With
        {option}`services.nixmig.enable`, a service starts only on state that its programs were made for.

        A service may be given as the bare list of its migrations.
      '';
    };

    systemd.services = mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            options.migrations = mkOption {
              type = types.nullOr (serviceType name);
              default = null;
              example = literalExpression ''[ { version = "2023-04-07"; up.script = "…"; down.script = "…"; } ]'';
              description = ''
                Migrations of this unit's state: short for `migrations.<name>` where the unit alone works on it.
              '';
            };
            config = mkIf (cfg.enable && config.migrations != null) (
              gated name (whereOfSugar name) config.migrations
            );
          }
        )
      );
    };
  };

  config = {
    # A gate that refuses says what to type.
    environment.systemPackages = mkIf cfg.enable [ cfg.package ];

    systemd.services = mkIf cfg.enable (
      mkMerge (
        [ { inherit nixmig; } ]
        ++ mapAttrsToList (
          name: service:
          listToAttrs (
            map (
              unitName: nameValuePair (removeSuffix ".service" unitName) (gated name (whereOf name) service)
            ) (unique service.requiredBy)
          )
        ) config.migrations
      )
    );

    system.build.migrations =
      if !cfg.enable then
        { }
      else if cycle != null then
        throw "Services wait for each other's migrations: ${concatStringsSep " -> " cycle}. Remove one of their `requires'."
      else
        services;

    systemd.units = mkIf cfg.enable (
      mapAttrs' (
        name: service: nameValuePair (gateOf name) { text = gateText name service; }
      ) config.system.build.migrations
    );

    assertions =
      concatLists (mapAttrsToList assertionsOf config.system.build.migrations)
      ++ map overlapAssertion (findOverlaps config.system.build.migrations);
    warnings = concatLists (mapAttrsToList warningsOf config.system.build.migrations);
  };
}
