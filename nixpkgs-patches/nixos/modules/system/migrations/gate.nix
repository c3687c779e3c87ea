# The text of a gate's unit file, format 1: what it is made of and in which order is fixed in docs/formats.md of nixmig.
{
  lib,
  pkgs,
  nixmig,
  path,
}:

let
  inherit (builtins) stringLength toJSON;
  inherit (lib)
    concatMapStrings
    concatStrings
    concatStringsSep
    filter
    replaceStrings
    ;

  recordDirectory = "/var/lib/nixmig";

  # systemd gives up on a longer line.
  longestLine = 1048576;

  line =
    key: value:
    let
      text = "${key}=${value}\n";
    in
    if value == null || value == "" then
      ""
    else if stringLength text > longestLine then
      throw "`${key}=' has ${toString (stringLength text)} bytes in a unit file, and systemd reads ${toString longestLine} a line."
    else
      text;

  list = key: values: line key (concatStringsSep " " values);
  json = key: value: line key (if value == [ ] || value == { } then "" else toJSON value);

  # systemd orders nothing before a template; its instances order themselves after the gate.
  isTemplate = unit: builtins.match ".*@[.]service" unit != null;

  # `%` begins a specifier wherever systemd reads the value itself.
  escapeSpecifiers = replaceStrings [ "%" ] [ "%%" ];

  quote =
    path':
    if builtins.match "[A-Za-z0-9@%:_./+=,~-]*" path' != null then
      escapeSpecifiers path'
    else
      "\"${escapeSpecifiers (replaceStrings [ "\\" "\"" ] [ "\\\\" "\\\"" ] path')}\"";

  script =
    name: text:
    if text == null then
      null
    else
      "${pkgs.writeShellScript "migrate-${name}" ''
        set -euo pipefail
        ${text}''}";

  action =
    name: direction: action':
    let
      prefix = if direction == "up" then "Up" else "Down";
      scriptOf = kind: script "${name}-${direction}-${kind}" action'.${kind};
    in
    concatStrings [
      (line "${prefix}Digest" action'.digest)
      (line "${prefix}Script" (scriptOf "script"))
      (line "${prefix}Warn" (if action'.warn == null then null else toJSON action'.warn))
      (line "${prefix}Backup" (scriptOf "backup"))
      (line "${prefix}Restore" (scriptOf "restore"))
      (line "${prefix}Verify" (scriptOf "verify"))
    ];

  migration =
    service: step:
    concatStrings [
      "\n[X-Migration ${step.version}]\n"
      (line "Program" step.program)
      (if step.cumulative then line "Cumulative" "yes" else "")
      (action "${service}-${step.version}" "up" step.up)
      (action "${service}-${step.version}" "down" step.down)
    ];
in
name: service:
concatStrings [
  "[Unit]\n"
  (line "Description" "Bring the state of ${name} to what this generation expects")
  (list "Before" (filter (unit: !isTemplate unit) service.requiredBy))
  (list "Requires" service.requires)
  (list "After" service.requires)
  (line "RefuseManualStop" "yes")
  (line "StartLimitIntervalSec" "0")
  (list "RequiresMountsFor" (map quote ([ recordDirectory ] ++ service.stateDirectories)))
  (line "X-StopOnRemoval" "false")
  (line "X-Migration-Format" "1")
  (line "X-Migration-Service" name)
  (list "X-Migration-Units" service.requiredBy)
  (list "X-Migration-Requires" service.requires)
  (line "X-Migration-Package" (if service.package == null then null else "${service.package}"))
  (json "X-Migration-StateDirectories" service.stateDirectories)
  (line "X-Migration-Detect" (script "${name}-detect" service.detect))
  (line "X-Migration-Oldest" service.oldest)
  (list "X-Migration-Acknowledge" service.acknowledge)
  (json "X-Migration-Path" (map toString (service.path ++ path)))
  (json "X-Migration-Environment" service.environment)
  (json "X-Migration-ServiceConfig" service.serviceConfig)
  (concatMapStrings (migration name) (lib.attrValues service.steps))
  "\n[Service]\n"
  (line "Type" "oneshot")
  # A backup takes as long as it takes, and what a step has begun it must be able to bring back.
  (line "TimeoutStartSec" "infinity")
  (line "TimeoutStopSec" "infinity")
  (line "KillMode" "mixed")
  (line "OOMPolicy" "continue")
  (line "X-RestartIfChanged" "false")
  # systemd runs what it read last. By the versions the gate sees when another system has been activated meanwhile.
  (line "ExecStart" (
    concatStringsSep " " (
      [
        "${nixmig}/bin/nixmig"
        "gate"
        name
      ]
      ++ lib.attrNames service.steps
    )
  ))
]
