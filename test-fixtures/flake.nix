{
  description = "The generations of the fixtures as NixOS configurations, without inputs";

  outputs =
    { self }:
    let
      inherit (import ./. { }) lib systems;

      newest = host: lib.last (lib.filter (system: system.host == host) (lib.attrValues systems));
      hosts = lib.unique (map (system: system.host) (lib.attrValues systems));
    in
    {
      # `atlas-3` is a generation, `atlas` the newest one.
      nixosConfigurations = systems // lib.genAttrs hosts newest;
    };
}
