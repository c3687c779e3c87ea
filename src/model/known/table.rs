//! The rows of the table of well-known services: facts, and nothing that computes.
//!
//! Units, options and store names are those of nixpkgs' modules and packages from 22.05 on; what is said of a data format is
//! what the linked page of its makers says.

use super::KnownService;

pub(super) const KNOWN: &[KnownService] = &[
    KnownService {
        name: "bookstack",
        units: &["bookstack-setup.service"],
        programs: &["bookstack"],
        enable: "services.bookstack.enable",
        package: "services.bookstack.package",
        components: 2,
        format: "Releases change the database with Laravel migrations that run before PHP starts; the way \
                 back is a backup of database and uploads.",
        link: "https://www.bookstackapp.com/docs/admin/updates/",
    },
    KnownService {
        name: "cassandra",
        units: &["cassandra.service"],
        programs: &["cassandra"],
        enable: "services.cassandra.enable",
        package: "services.cassandra.package",
        components: 2,
        format: "Each series writes its own SSTable format and reads that of the series before it, until \
                 `nodetool upgradesstables` rewrote it; an older series cannot read what a newer one \
                 wrote.",
        link: "https://github.com/apache/cassandra/blob/trunk/NEWS.txt",
    },
    KnownService {
        name: "clickhouse",
        units: &["clickhouse.service"],
        programs: &["clickhouse"],
        enable: "services.clickhouse.enable",
        package: "services.clickhouse.package",
        components: 2,
        format: "Newer releases read older parts and write their own; an older release may refuse parts and \
                 metadata that a newer one wrote.",
        link: "https://clickhouse.com/docs/operations/update",
    },
    KnownService {
        name: "consul",
        units: &["consul.service"],
        programs: &["consul"],
        enable: "services.consul.enable",
        package: "services.consul.package",
        components: 2,
        format: "Raft log and snapshots move forward with the release, a few series at a time; an older \
                 consul refuses newer data, so the way back is a snapshot or copy taken before.",
        link: "https://developer.hashicorp.com/consul/docs/upgrade",
    },
    KnownService {
        name: "couchdb",
        units: &["couchdb.service"],
        programs: &["couchdb"],
        enable: "services.couchdb.enable",
        package: "services.couchdb.package",
        components: 1,
        format: "CouchDB 3 opens the databases of 2; those of 1 have to be replicated or converted by a \
                 CouchDB 2 first.",
        link: "https://docs.couchdb.org/en/stable/install/upgrading.html",
    },
    KnownService {
        name: "discourse",
        units: &["discourse.service"],
        programs: &["discourse", "discourse-ruby-env"],
        enable: "services.discourse.enable",
        package: "services.discourse.package",
        components: 2,
        format: "The database is migrated by every start of a newer release, and dropped columns do not \
                 come back: the way back is a backup.",
        link: "https://meta.discourse.org/t/23325",
    },
    KnownService {
        name: "elasticsearch",
        units: &["elasticsearch.service"],
        programs: &["elasticsearch"],
        enable: "services.elasticsearch.enable",
        package: "services.elasticsearch.package",
        components: 1,
        format: "A major version opens only indices that it or the one before it created, and wants to be \
                 reached from the last minor of the one before; a node cannot go back.",
        link: "https://www.elastic.co/docs/deploy-manage/upgrade",
    },
    KnownService {
        name: "etcd",
        units: &["etcd.service"],
        programs: &["etcd"],
        enable: "services.etcd.enable",
        package: "services.etcd.package",
        components: 2,
        format: "Minor versions are upgraded one at a time; an older etcd refuses the data directory of a \
                 newer one unless it was downgraded first or a snapshot is restored.",
        link: "https://etcd.io/docs/latest/upgrades/",
    },
    KnownService {
        name: "forgejo",
        units: &["forgejo.service"],
        programs: &["forgejo", "forgejo-lts"],
        enable: "services.forgejo.enable",
        package: "services.forgejo.package",
        components: 1,
        format: "The database is migrated before the server starts, over any number of versions; an older \
                 Forgejo refuses a newer database, so the way back is a backup.",
        link: "https://forgejo.org/docs/latest/admin/upgrade/",
    },
    KnownService {
        name: "gitea",
        units: &["gitea.service"],
        programs: &["gitea"],
        enable: "services.gitea.enable",
        package: "services.gitea.package",
        components: 2,
        format: "The database is migrated before the server starts, over any number of versions; an older \
                 Gitea refuses a newer database, so the way back is a backup.",
        link: "https://docs.gitea.com/installation/upgrade-from-gitea",
    },
    KnownService {
        name: "gitlab",
        units: &[
            "gitlab.service",
            "gitlab-sidekiq.service",
            "gitlab-db-config.service",
        ],
        programs: &["gitlab", "gitlab-ee", "gitlab-env"],
        enable: "services.gitlab.enable",
        package: "services.gitlab.packages.gitlab",
        components: 2,
        format: "Upgrades have to stop at every required version on the way until its background migrations \
                 are done; the way back is a backup made by the very same version.",
        link: "https://docs.gitlab.com/update/",
    },
    KnownService {
        name: "grafana",
        units: &["grafana.service"],
        programs: &["grafana"],
        enable: "services.grafana.enable",
        package: "services.grafana.package",
        components: 1,
        format: "The database is migrated at the first start of a newer version; older versions are not \
                 made for it, so the way back is a backup.",
        link: "https://grafana.com/docs/grafana/latest/upgrade-guide/",
    },
    KnownService {
        name: "home-assistant",
        units: &["home-assistant.service"],
        programs: &["homeassistant"],
        enable: "services.home-assistant.enable",
        package: "services.home-assistant.package",
        components: 2,
        format: "The recorder's database and the registries in `.storage` are migrated at start; an older \
                 release refuses the newer ones, so the way back is a backup.",
        link: "https://www.home-assistant.io/integrations/recorder/",
    },
    KnownService {
        name: "immich",
        units: &["immich-server.service"],
        programs: &["immich"],
        enable: "services.immich.enable",
        package: "services.immich.package",
        components: 2,
        format: "The server migrates its database at start and has breaking releases that must not be \
                 skipped unread; going back is not supported, except from a backup.",
        link: "https://docs.immich.app/install/upgrading/",
    },
    KnownService {
        name: "influxdb",
        units: &["influxdb.service"],
        programs: &["influxdb"],
        enable: "services.influxdb.enable",
        package: "services.influxdb.package",
        components: 2,
        format: "1.x releases share the TSM format, with changes of the index in between; InfluxDB 2 does \
                 not open this data, `influxd upgrade` copies it.",
        link: "https://docs.influxdata.com/influxdb/v1/administration/upgrading/",
    },
    KnownService {
        name: "influxdb2",
        units: &["influxdb2.service"],
        programs: &["influxdb2", "influxdb"],
        enable: "services.influxdb2.enable",
        package: "services.influxdb2.package",
        components: 2,
        format: "Metadata is migrated at the first start of a newer release, and `influxd downgrade` takes \
                 it back to an older 2.x.",
        link: "https://docs.influxdata.com/influxdb/v2/install/upgrade/",
    },
    KnownService {
        name: "jellyfin",
        units: &["jellyfin.service"],
        programs: &["jellyfin"],
        enable: "services.jellyfin.enable",
        package: "services.jellyfin.package",
        components: 2,
        format: "The library's database is migrated at the first start of a newer series; there is no way \
                 back but a copy of the data directory.",
        link: "https://jellyfin.org/docs/general/administration/backup-and-restore/",
    },
    KnownService {
        name: "jenkins",
        units: &["jenkins.service"],
        programs: &["jenkins"],
        enable: "services.jenkins.enable",
        package: "services.jenkins.package",
        components: 2,
        format: "A newer release reads older XML and writes its own, and so do plugins; some releases \
                 convert records in a way that no older one can read.",
        link: "https://www.jenkins.io/doc/upgrade-guide/",
    },
    KnownService {
        name: "jupyter",
        units: &["jupyter.service"],
        programs: &["python3*-notebook", "python3*-jupyterlab"],
        enable: "services.jupyter.enable",
        package: "services.jupyter.package",
        components: 1,
        format: "Notebooks carry a format version of their own and stay readable; extensions and settings \
                 of Notebook 6 mean nothing to 7.",
        link: "https://jupyter-notebook.readthedocs.io/en/latest/migrate_to_notebook7.html",
    },
    KnownService {
        name: "keycloak",
        units: &["keycloak.service"],
        programs: &["keycloak"],
        enable: "services.keycloak.enable",
        package: "services.keycloak.package",
        components: 1,
        format: "The database is migrated at the first start of a newer version; going back needs the \
                 backup taken before.",
        link: "https://www.keycloak.org/docs/latest/upgrading/index.html",
    },
    KnownService {
        name: "kibana",
        units: &["kibana.service"],
        programs: &["kibana"],
        enable: "services.kibana.enable",
        package: "services.kibana.package",
        components: 2,
        format: "Saved objects in Elasticsearch are migrated at the first start of a newer minor version; \
                 going back needs a snapshot of them.",
        link: "https://www.elastic.co/docs/deploy-manage/upgrade",
    },
    KnownService {
        name: "loki",
        units: &["loki.service"],
        programs: &["grafana-loki"],
        enable: "services.loki.enable",
        package: "services.loki.package",
        components: 1,
        format: "Chunks and index follow the dated schemas of the configuration, and a newer major may \
                 refuse schemas that an older one wrote.",
        link: "https://grafana.com/docs/loki/latest/setup/upgrade/",
    },
    KnownService {
        name: "mariadb",
        units: &["mysql.service"],
        programs: &["mariadb", "mariadb-server"],
        enable: "services.mysql.enable",
        package: "services.mysql.package",
        components: 2,
        format: "A newer series opens the data of an older one and wants `mariadb-upgrade` afterwards; an \
                 older series is not made for newer data, so the way back is a dump or copy.",
        link: "https://mariadb.com/kb/en/upgrading/",
    },
    KnownService {
        name: "mastodon",
        units: &[
            "mastodon-web.service",
            "mastodon-init-db.service",
            "mastodon-sidekiq-*.service",
        ],
        programs: &["mastodon"],
        enable: "services.mastodon.enable",
        package: "services.mastodon.package",
        components: 2,
        format: "Releases migrate the database, some before and some after the new code runs, and their \
                 notes name further steps; the way back is a backup.",
        link: "https://docs.joinmastodon.org/admin/upgrading/",
    },
    KnownService {
        name: "matrix-synapse",
        units: &["matrix-synapse.service", "matrix-synapse-worker-*.service"],
        programs: &["matrix-synapse", "matrix-synapse-wrapped"],
        enable: "services.matrix-synapse.enable",
        package: "services.matrix-synapse.package",
        components: 2,
        format: "The schema is migrated at start; an older release runs on it only while its schema version \
                 is not below the newer one's compatibility version, which reaches a few releases back.",
        link: "https://element-hq.github.io/synapse/latest/upgrade.html",
    },
    KnownService {
        name: "mattermost",
        units: &["mattermost.service"],
        programs: &["mattermost"],
        enable: "services.mattermost.enable",
        package: "services.mattermost.package",
        components: 2,
        format: "The schema is migrated at start, and upgrades go from one extended support release to the \
                 next; `mattermost db downgrade` goes back, at most one major version.",
        link: "https://docs.mattermost.com/upgrade/upgrading-mattermost-server.html",
    },
    KnownService {
        name: "mongodb",
        units: &["mongodb.service"],
        programs: &["mongodb", "mongodb-ce"],
        enable: "services.mongodb.enable",
        package: "services.mongodb.package",
        components: 2,
        format: "Upgrades go from one major release to the next, each with the feature compatibility \
                 version of the one before; once that is raised, an older mongod refuses the data.",
        link: "https://www.mongodb.com/docs/manual/release-notes/",
    },
    KnownService {
        name: "mysql",
        units: &["mysql.service"],
        programs: &["mysql", "percona-server"],
        enable: "services.mysql.enable",
        package: "services.mysql.package",
        components: 2,
        format: "The data dictionary is upgraded at the first start of a newer series, from one LTS series \
                 to the next and not beyond; an older series refuses it, so the way back is a dump or \
                 copy.",
        link: "https://dev.mysql.com/doc/refman/8.4/en/upgrading.html",
    },
    KnownService {
        name: "neo4j",
        units: &["neo4j.service"],
        programs: &["neo4j"],
        enable: "services.neo4j.enable",
        package: "services.neo4j.package",
        components: 1,
        format: "A major version opens only stores that `neo4j-admin database migrate` brought over from \
                 the last release of the one before; the way back is a dump made by the older one.",
        link: "https://neo4j.com/docs/upgrade-migration-guide/current/",
    },
    KnownService {
        name: "nextcloud",
        units: &[
            "nextcloud-setup.service",
            "nextcloud-cron.service",
            "phpfpm-nextcloud.service",
        ],
        programs: &["nextcloud"],
        enable: "services.nextcloud.enable",
        package: "services.nextcloud.package",
        components: 1,
        format: "`occ upgrade` migrates the database from one major version to the next, and majors cannot \
                 be skipped; going back is not supported, except from a backup.",
        link: "https://docs.nextcloud.com/server/latest/admin_manual/maintenance/upgrade.html",
    },
    KnownService {
        name: "openldap",
        units: &["openldap.service"],
        programs: &["openldap"],
        enable: "services.openldap.enable",
        package: "services.openldap.package",
        components: 2,
        format: "Databases are carried from series to series with `slapcat` and `slapadd`, and 2.5 dropped \
                 the back-ends bdb and hdb; the way back is the LDIF taken before.",
        link: "https://www.openldap.org/doc/admin26/appendix-upgrading.html",
    },
    KnownService {
        name: "opensearch",
        units: &["opensearch.service"],
        programs: &["opensearch"],
        enable: "services.opensearch.enable",
        package: "services.opensearch.package",
        components: 1,
        format: "A major version opens only indices that it or the one before it created; a node cannot go \
                 back.",
        link: "https://docs.opensearch.org/latest/install-and-configure/upgrade-opensearch/index/",
    },
    KnownService {
        name: "paperless",
        units: &[
            "paperless-scheduler.service",
            "paperless-web.service",
            "paperless-consumer.service",
            "paperless-task-queue.service",
        ],
        programs: &["paperless-ngx"],
        enable: "services.paperless.enable",
        package: "services.paperless.package",
        components: 2,
        format: "The database is migrated at the first start of another release; going back needs a backup, \
                 or the document exporter's output.",
        link: "https://docs.paperless-ngx.com/administration/",
    },
    KnownService {
        name: "postgresql",
        units: &["postgresql.service"],
        programs: &["postgresql", "postgresql-and-plugins"],
        enable: "services.postgresql.enable",
        package: "services.postgresql.package",
        components: 1,
        format: "Each major version has its own on-disk format and refuses to start on another's; \
                 `pg_upgrade` or dump and load carry data over, majors may be skipped, and the way back is \
                 a dump or copy.",
        link: "https://www.postgresql.org/docs/current/upgrading.html",
    },
    KnownService {
        name: "prometheus",
        units: &["prometheus.service"],
        programs: &["prometheus"],
        enable: "services.prometheus.enable",
        package: "services.prometheus.package",
        components: 1,
        format: "Prometheus 3 reads the data of 2; its own is read by 2.55 and later alone.",
        link: "https://prometheus.io/docs/prometheus/latest/migration/",
    },
    KnownService {
        name: "redis",
        units: &["redis.service", "redis-*.service"],
        programs: &["redis"],
        enable: "services.redis.servers.*.enable",
        package: "services.redis.package",
        components: 1,
        format: "A newer server loads older RDB and AOF files; an older one refuses the RDB version that a \
                 newer one wrote.",
        link: "https://redis.io/docs/latest/operate/oss_and_stack/management/admin/",
    },
    KnownService {
        name: "valkey",
        units: &["redis.service", "redis-*.service"],
        programs: &["valkey"],
        enable: "services.redis.servers.*.enable",
        package: "services.redis.package",
        components: 1,
        format: "Valkey loads the files of Redis up to 7.2 and of older Valkeys, not those of Redis 7.4 and \
                 later; an older server refuses the RDB version that a newer one wrote.",
        link: "https://valkey.io/topics/migration/",
    },
    KnownService {
        name: "vault",
        units: &["vault.service"],
        programs: &["vault", "vault-bin"],
        enable: "services.vault.enable",
        package: "services.vault.package",
        components: 2,
        format: "Storage is upgraded when a newer release is unsealed, and a downgrade is not supported: \
                 the way back is a snapshot taken before.",
        link: "https://developer.hashicorp.com/vault/docs/upgrading",
    },
    KnownService {
        name: "vaultwarden",
        units: &["vaultwarden.service"],
        programs: &["vaultwarden"],
        enable: "services.vaultwarden.enable",
        package: "services.vaultwarden.package",
        components: 2,
        format: "The database is migrated at the first start of a newer release; there is no way back but a \
                 copy of the data directory.",
        link: "https://github.com/dani-garcia/vaultwarden/wiki/Backing-up-your-vault",
    },
    KnownService {
        name: "zammad",
        units: &[
            "zammad-web.service",
            "zammad-worker.service",
            "zammad-scheduler.service",
        ],
        programs: &["zammad"],
        enable: "services.zammad.enable",
        package: "services.zammad.package",
        components: 1,
        format: "Releases migrate the database before the new code runs; the way back is a backup of \
                 database and files.",
        link: "https://docs.zammad.org/en/latest/install/update.html",
    },
];
