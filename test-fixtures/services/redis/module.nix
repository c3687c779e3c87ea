{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.redis;
in
{
  options.services.redis = {
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.redis;
      description = "The Redis to run.";
    };

    servers = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule { options.enable = lib.mkEnableOption "this Redis server"; }
      );
      default = { };
      description = "The instances.";
    };
  };

  config.systemd.services = lib.mapAttrs' (name: _: {
    name = "redis-${name}";
    value = {
      description = "Redis Server - ${name}";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/redis-server /var/lib/redis-${name}/redis.conf";
        Type = "notify";
        User = "redis-${name}";
        StateDirectory = "redis-${name}";
      };
    };
  }) (lib.filterAttrs (_: server: server.enable) cfg.servers);
}
