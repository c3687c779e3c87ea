# A directory holds the state of one service: not of two, and neither lies in another's.
{ config, lib, ... }:
{
  migrations = {
    wiki.stateDirectories = [
      "/var/lib/wiki"
      "/srv/wiki"
    ];
    # One of its own may lie in another of its own.
    blog.stateDirectories = [
      "/srv/wiki/blog"
      "/srv/wiki/blog/uploads"
    ];
    # A name that begins alike is another.
    wikis.stateDirectories = [ "/var/lib/wikis" ];
  };
  systemd.services = {
    copy.migrations.stateDirectories = [ "/var/lib/wiki" ];
    blog.serviceConfig.ExecStart = "x";
    copy.serviceConfig.ExecStart = "x";
    wiki.serviceConfig.ExecStart = "x";
    wikis.serviceConfig.ExecStart = "x";
  };
  shown = map (assertion: assertion.message) (
    lib.filter (assertion: !assertion.assertion) config.assertions
  );
}
