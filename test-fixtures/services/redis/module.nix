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
  options.services.redis.servers = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
    description = "Names of the instances to run.";
  };

  config.systemd.services = lib.listToAttrs (
    map (name: {
      name = "redis-${name}";
      value = {
        description = "Redis Server - ${name}";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = {
          ExecStart = "${pkgs.redis}/bin/redis-server /var/lib/redis-${name}/redis.conf";
          Type = "notify";
          User = "redis-${name}";
          StateDirectory = "redis-${name}";
        };
      };
    }) cfg.servers
  );
}
