# What the packages are called and which version each release of NixOS shipped.
{ lib }:

let
  postgresql = versions: {
    inherit versions;
    pname = "postgresql";
    binaries = [
      "postgres"
      "initdb"
      "pg_ctl"
      "pg_dumpall"
      "pg_isready"
      "pg_upgrade"
      "psql"
      "vacuumdb"
    ];
    passthru = version: { psqlSchema = lib.versions.major version; };
  };

  nextcloud = versions: {
    inherit versions;
    pname = "nextcloud";
    binaries = [ "nextcloud-occ" ];
  };
in
{
  bash = {
    versions."23.05" = "5.2-p15";
    versions."24.11" = "5.2p37";
    hostTools = [ "bash" ];
  };
  coreutils = {
    versions."23.05" = "9.1";
    versions."24.11" = "9.5";
    versions."25.11" = "9.8";
    hostTools = [
      "cat"
      "chmod"
      "chown"
      "cp"
      "cut"
      "date"
      "head"
      "install"
      "ls"
      "mkdir"
      "mktemp"
      "mv"
      "rm"
      "sleep"
      "sort"
      "tail"
      "test"
      "touch"
    ];
  };
  findutils = {
    versions."23.05" = "4.9.0";
    versions."24.11" = "4.10.0";
    hostTools = [
      "find"
      "xargs"
    ];
  };
  gnugrep = {
    versions."23.05" = "3.7";
    versions."24.11" = "3.11";
    hostTools = [ "grep" ];
  };
  gnused = {
    versions."23.05" = "4.9";
    hostTools = [ "sed" ];
  };
  systemd = {
    versions."23.05" = "253.3";
    versions."24.11" = "256.8";
    versions."25.11" = "258.2";
    binaries = [ "systemctl" ];
    # Upstream's unit files, of which NixOS links those that it wants.
    units = lib.listToAttrs (
      map
        (unit: {
          name = "example/systemd/system/${unit}";
          value = ''
            [Unit]
            Description=${unit}
            Documentation=man:systemd.special(7)
          '';
        })
        [
          "basic.target"
          "multi-user.target"
          "network.target"
          "network-online.target"
          "rescue.target"
          "reboot.target"
          "sysinit.target"
        ]
    );
  };

  postgresql_13 = postgresql {
    "23.05" = "13.11";
    "24.05" = "13.16";
    "24.11" = "13.18";
  };
  postgresql_14 = postgresql {
    "23.05" = "14.8";
    "24.05" = "14.13";
    "24.11" = "14.15";
    "25.05" = "14.18";
  };
  postgresql_15 = postgresql {
    "23.05" = "15.3";
    "24.05" = "15.8";
    "24.11" = "15.10";
    "25.05" = "15.13";
  };
  postgresql_16 = postgresql {
    "24.05" = "16.4";
    "24.11" = "16.6";
    "25.05" = "16.9";
    "25.11" = "16.11";
  };
  postgresql_17 = postgresql {
    "24.11" = "17.2";
    "25.05" = "17.5";
    "25.11" = "17.7";
    "26.05" = "17.10";
  };

  mariadb_106 = {
    pname = "mariadb-server";
    versions."23.05" = "10.6.12";
    versions."24.11" = "10.6.20";
    binaries = [
      "mariadbd"
      "mariadb-upgrade"
    ];
  };
  mariadb_114 = {
    pname = "mariadb-server";
    versions."24.11" = "11.4.4";
    versions."25.05" = "11.4.5";
    binaries = [
      "mariadbd"
      "mariadb-upgrade"
    ];
  };
  redis = {
    versions."23.05" = "7.0.11";
    versions."24.11" = "7.2.6";
    versions."25.11" = "8.2.2";
    binaries = [ "redis-server" ];
  };
  grafana = {
    versions."23.05" = "9.5.2";
    versions."24.11" = "11.3.1";
    versions."25.05" = "12.0.2";
  };
  influxdb2 = {
    pname = "influxdb";
    versions."23.05" = "2.7.1";
    binaries = [ "influxd" ];
  };

  gitlab = {
    versions."24.05" = "16.11.5";
    versions."24.11" = "17.5.1";
    versions."25.05" = "17.11.7";
    versions."25.11" = "18.5.3";
    binaries = [
      "gitlab-rake"
      "gitlab-puma"
      "gitlab-sidekiq"
    ];
  };
  nextcloud28 = nextcloud { "24.05" = "28.0.8"; };
  nextcloud29 = nextcloud {
    "24.05" = "29.0.3";
    "24.11" = "29.0.9";
  };
  nextcloud30 = nextcloud {
    "24.11" = "30.0.4";
    "25.05" = "30.0.11";
  };
  nextcloud31 = nextcloud {
    "25.05" = "31.0.5";
    "25.11" = "31.0.11";
  };
  matrix-synapse = {
    versions."24.05" = "1.111.0";
    versions."24.11" = "1.120.0";
    versions."25.05" = "1.131.0";
    versions."25.11" = "1.143.0";
    binaries = [
      "synapse_homeserver"
      "synapse_worker"
      "synapse_port_db"
      "update_synapse_database"
    ];
  };
  mastodon = {
    versions."24.05" = "4.2.10";
    versions."24.11" = "4.3.1";
    versions."25.11" = "4.5.0";
    binaries = [
      "tootctl"
      "rails"
      "puma"
      "sidekiq"
    ];
  };
  forgejo = {
    versions."24.05" = "7.0.5";
    versions."24.11" = "9.0.3";
    versions."25.05" = "11.0.1";
    versions."25.11" = "13.0.2";
  };
  consul = {
    versions."24.05" = "1.18.1";
    versions."24.11" = "1.20.1";
    versions."25.11" = "1.22.0";
  };
  openldap = {
    versions."23.05" = "2.5.14";
    versions."24.05" = "2.6.8";
    versions."25.05" = "2.6.9";
    binaries = [
      "slapd"
      "slapadd"
      "slapcat"
      "slapindex"
    ];
  };
  jellyfin = {
    versions."24.05" = "10.9.9";
    versions."24.11" = "10.10.3";
    versions."25.11" = "10.11.3";
    # Ships its own unit, which a NixOS configuration only extends.
    units."lib/systemd/system/jellyfin.service" = ''
      [Unit]
      Description=Jellyfin Media Server
      After=network-online.target
      Wants=network-online.target

      [Service]
      Type=simple
      User=jellyfin
      ExecStart=/run/current-system/sw/bin/jellyfin --datadir /var/lib/jellyfin
      Restart=on-failure
    '';
  };
  dovecot = {
    versions."24.05" = "2.3.21";
    versions."25.11" = "2.4.2";
    binaries = [
      "dovecot"
      "doveadm"
    ];
  };
  inventory = {
    versions."24.05" = "3.1.0";
    versions."24.11" = "3.2.0";
    versions."25.05" = "4.0.1";
    binaries = [ "inventory-manage" ];
  };
  nixmig.versions."23.05" = "0.1.0";
}
