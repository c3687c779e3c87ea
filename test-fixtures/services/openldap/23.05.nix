# OpenLDAP's databases carry over a major only as LDIF. 2.5 drops the BDB and HDB backends.
{ config, lib, ... }:

let
  cfg = config.services.openldap;
  inherit (lib)
    concatStringsSep
    mapAttrsToList
    mkIf
    versionAtLeast
    ;

  every = command: concatStringsSep "\n" (mapAttrsToList command cfg.databases) + "\n";

  dump = every (
    name: directory:
    ''"$OLD_PACKAGE/bin/slapcat" -F /var/lib/openldap/slapd.d -b ${name} -l "$BACKUP/${name}.ldif"''
  );
  load = every (
    name: directory: ''
      rm -f ${directory}/*.mdb
      "$NEW_PACKAGE/bin/slapadd" -F /var/lib/openldap/slapd.d -b ${name} -l "$BACKUP/${name}.ldif"
    ''
  );

  step = {
    up.script = dump + load;
    up.verify = every (
      name: _: ''"$NEW_PACKAGE/bin/slapindex" -F /var/lib/openldap/slapd.d -b ${name}''
    );
    down.script = dump + load;
  };
in
{
  migrations.openldap = mkIf cfg.enable {
    inherit (cfg) package;
    stateDirectories = [ "/var/lib/openldap" ];
    serviceConfig = {
      User = "openldap";
      StateDirectory = "openldap";
    };
    steps = {
      "2021-04-29" = step // {
        program = "2.5";
        cumulative = true;
      };
      "2022-05-04" = mkIf (versionAtLeast cfg.package.version "2.6") (
        step
        // {
          program = "2.6";
          cumulative = true;
        }
      );
    };
  };
}
