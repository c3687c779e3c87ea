# The Raft log: each of these releases writes what the one before refuses to read. The history is the whole service's,
# as RFC 0155 has it.
{ config, lib, ... }:

{
  migrations.consul = lib.mkIf config.services.consul.enable [
    {
      # 1.10: legacy ACLs are gone.
      version = "2021-06-22";
      up = {
        warn = "Legacy ACL tokens are deleted.";
        script = ''
          "$NEW_PACKAGE/bin/consul" acl translate-rules -token-accessor anonymous
        '';
        backup = ''
          "$OLD_PACKAGE/bin/consul" snapshot save "$BACKUP/consul.snap"
        '';
        restore = ''
          "$OLD_PACKAGE/bin/consul" snapshot restore "$BACKUP/consul.snap"
        '';
      };
    }
    {
      # 1.14: peering and the gRPC TLS port.
      version = "2022-11-15";
      up.backup = ''
        cp --archive /var/lib/consul "$BACKUP/consul"
      '';
      up.script = ''
        "$NEW_PACKAGE/bin/consul" validate /etc/consul.d
      '';
      up.restore = ''
        rm -rf /var/lib/consul
        cp --archive "$BACKUP/consul" /var/lib/consul
      '';
      down.script = ''
        "$NEW_PACKAGE/bin/consul" validate /etc/consul.d
      '';
    }
    {
      # 1.16: the write-ahead log store becomes the default for new servers, and existing ones are moved.
      version = "2023-06-26";
      up.script = ''
        "$NEW_PACKAGE/bin/consul" operator raft list-peers
        mv /var/lib/consul/raft/raft.db /var/lib/consul/raft/raft.db.boltdb
      '';
      down.script = ''
        mv /var/lib/consul/raft/raft.db.boltdb /var/lib/consul/raft/raft.db
      '';
    }
  ];
}
