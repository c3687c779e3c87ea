//! Owns the table of well-known stateful services: their units, their packages, and what is known of their data formats.

/// What is known of one stateful service of NixOS, whether it declares migrations or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// The service's name, as a key under `migrations` would have it.
    pub name: &'static str,
    /// Its units: exact names, or with one `*`. The first is the one that an evaluation's package stands for.
    pub units: &'static [&'static str],
    /// The names (without version) of store paths that are its program.
    pub programs: &'static [&'static str],
    /// The option under `config` that turns it on, dots between.
    pub enable: &'static str,
    /// The option under `config` that holds its package, dots between.
    pub package: &'static str,
    /// How many leading components of the version, when they change, may change the data format: 1 for PostgreSQL, 2 for
    /// MariaDB.
    pub components: usize,
    /// What is known of its data format across versions, as one or two sentences.
    pub format: &'static str,
    /// Where to read on.
    pub link: &'static str,
}

/// The table, by name.
pub fn known_services() -> &'static [KnownService] {
    KNOWN
}

const KNOWN: &[KnownService] = &[KnownService {
    name: "postgresql",
    units: &["postgresql.service"],
    programs: &["postgresql", "postgresql-and-plugins"],
    enable: "services.postgresql.enable",
    package: "services.postgresql.package",
    components: 1,
    format: "Each major version has its own on-disk format and refuses to start on another's; pg_upgrade or dump and load \
             carry data over.",
    link: "https://www.postgresql.org/docs/current/upgrading.html",
}];
