# Which versions reach which programs. nixmig itself is held to the same table.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  table = builtins.fromJSON (builtins.readFile ../../programs.json);
  name = index: "row-${toString index}";
  service =
    index:
    let
      row = builtins.elemAt table index;
    in
    {
      name = name index;
      value = {
        package = pkgs.package "postgresql" row.version;
        steps."2024-01-01".program = row.program;
      };
    };
  indices = builtins.genList (index: index) (builtins.length table);

  # An error of the module's is what it cannot tell.
  isReached =
    index:
    let
      steps = builtins.tryEval (lib.attrNames config.system.build.migrations.${name index}.steps);
    in
    if steps.success then steps.value != [ ] else null;
in
{
  migrations = builtins.listToAttrs (map service indices);

  shown.disagree = builtins.filter (row: row.reaches != row.module) (
    map (index: builtins.elemAt table index // { module = isReached index; }) indices
  );
}
