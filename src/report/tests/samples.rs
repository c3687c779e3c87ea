//! Plans and generations made by hand, one for each thing that a report has to say.

use std::sync::Arc;

use crate::model::{
    Action, Direction, Generation, Kind, Location, Migration, Part, Program, Service, Setting, Text, Unknown,
    Version,
};
use crate::plan::{
    Baseline, BaselineSource, Code, Finding, Plan, Presence, ServicePlan, Severity, Step, StepId,
};

/// Two generations and what lies between them.
pub(super) struct Sample {
    pub(super) old: Generation,
    pub(super) new: Generation,
    pub(super) plan: Plan,
}

pub(super) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn versions(texts: &[&str]) -> Vec<Version> {
    texts.iter().copied().map(version).collect()
}

fn text(text: &str) -> Setting<Text> {
    Setting::Set(Text {
        text: Some(text.to_owned()),
        path: None,
    })
}

fn unread(reason: &str, line: u32) -> Unknown {
    Unknown {
        reason: reason.to_owned().into(),
        at: Some(Location {
            file: "modules/db.nix".to_owned(),
            line,
            column: 5,
        }),
    }
}

/// An action with some parts, each `<part> of <version>`.
fn action(version: &str, parts: &[Part]) -> Action {
    let mut action = Action::default();
    for &part in parts {
        *action.part_mut(part) = text(&format!("{} of {version}\n", part.name()));
    }
    action
}

const WHOLE: &[Part] = &[Part::Script, Part::Backup, Part::Restore, Part::Verify];

fn migration(text: &str) -> Migration {
    Migration {
        up: action(text, WHOLE),
        down: action(text, &[Part::Script]),
        origin: Some(Location {
            file: "/etc/nixos/db.nix".to_owned(),
            line: 12,
            column: 7,
        }),
        ..Migration::new(version(text))
    }
}

fn up(migration: Migration) -> Step {
    Step {
        direction: Direction::Up,
        undoable: Some(migration.down.script.is_set()),
        migration: Arc::new(migration),
        swallowed: Vec::new(),
        needs_acknowledgement: false,
        built_in_backup: Some(false),
    }
}

fn down(migration: Migration) -> Step {
    Step {
        direction: Direction::Down,
        undoable: None,
        ..up(migration)
    }
}

fn service(name: &str, applied: &[&str], target: Option<&str>, steps: Vec<Step>) -> ServicePlan {
    ServicePlan {
        name: name.parse().unwrap(),
        presence: Presence::Both,
        units: [format!("{name}.service").parse().unwrap()].into(),
        applied: versions(applied),
        target: target.map(version),
        baseline: None,
        steps,
        findings: Vec::new(),
    }
}

fn finding(code: Code, severity: Severity, service: &str, message: &str, help: &str) -> Finding {
    Finding {
        code,
        severity,
        service: service.parse().ok(),
        versions: Vec::new(),
        direction: None,
        message: message.to_owned(),
        help: help.to_owned(),
        at: None,
    }
}

/// A plan whose steps run downs first, else service by service.
fn sample(services: Vec<ServicePlan>, findings: Vec<Finding>) -> Sample {
    let mut order = Vec::new();
    for direction in [Direction::Down, Direction::Up] {
        for (service, plan) in services.iter().enumerate() {
            for (step, _) in plan
                .steps
                .iter()
                .enumerate()
                .filter(|(_, step)| step.direction == direction)
            {
                order.push(StepId { service, step });
            }
        }
    }
    let side = |label: &str, kind, release: &str, identity: &str| Generation {
        identity: Some(identity.to_owned()),
        release: Setting::Set(release.parse().unwrap()),
        ..Generation::new(label, kind)
    };
    Sample {
        old: side(
            "booted",
            Kind::Closure,
            "24.11",
            "/nix/store/00000000000000000000000000000000-nixos-system-atlas-24.11",
        ),
        new: side(
            ".#atlas",
            Kind::Evaluation,
            "25.05",
            "git+file:///etc/nixos#atlas",
        ),
        plan: Plan {
            services,
            order,
            findings,
        },
    }
}

/// One service up by a cumulative step and another one, one down, several unchanged, and a program that moved alone.
pub(super) fn everyday() -> Sample {
    let mut cumulative = up(migration("2024-10-01"));
    cumulative.swallowed = versions(&["2023-09-14", "2024-05-01"]);
    let mut plain = up(Migration {
        up: action("2025-04-01", &[Part::Script]),
        ..migration("2025-04-01")
    });
    plain.built_in_backup = Some(true);
    let mut postgresql = service(
        "postgresql",
        &["2022-11-20"],
        Some("2025-04-01"),
        vec![cumulative, plain],
    );
    postgresql
        .units
        .insert("postgresql-setup.service".parse().unwrap());
    let nextcloud = service(
        "nextcloud",
        &["2024-06-01", "2025-02-01.1"],
        Some("2024-06-01"),
        vec![down(migration("2025-02-01.1"))],
    );
    let quiet = ["gitlab", "grafana", "matrix-prod"];
    let mut services = vec![nextcloud, postgresql];
    services.extend(quiet.map(|name| service(name, &["2024-01-01"], Some("2024-01-01"), Vec::new())));
    let unmigrated = finding(
        Code::Unmigrated,
        Severity::Warning,
        "redis",
        "redis 6.2.7 → 7.4.1: unmigrated",
        "A newer one reads the files of an older one, never the other way round. Carry the data over before or after the \
         switch, or declare `migrations.redis`; read on at https://redis.io/docs/latest/operate/upgrade/",
    );
    sample(services, vec![unmigrated])
}

/// A service whose histories went apart, one whose newest step goes with older ones, and one that changes below its newest.
pub(super) fn both_ways() -> Sample {
    let mut gitlab = service(
        "gitlab",
        &["2024-01-01", "2024-07-01"],
        Some("2024-08-01"),
        vec![down(migration("2024-07-01")), up(migration("2024-08-01"))],
    );
    gitlab.findings.push(Finding {
        versions: versions(&["2024-07-01", "2024-08-01"]),
        ..finding(
            Code::Diverged,
            Severity::Warning,
            "gitlab",
            "the histories of gitlab went apart: 2024-07-01 is undone before 2024-08-01 is run",
            "See that both generations are meant.",
        )
    });
    let mut cumulative = down(migration("2024-05-01"));
    cumulative.swallowed = versions(&["2023-01-01", "2023-09-14"]);
    let nextcloud = service(
        "nextcloud",
        &["2022-01-01", "2023-01-01", "2023-09-14", "2024-05-01"],
        Some("2022-01-01"),
        vec![cumulative],
    );
    let redis = service(
        "redis",
        &["2023-01-01", "2024-01-01", "2024-09-01"],
        Some("2024-09-01"),
        vec![down(migration("2024-01-01")), up(migration("2024-03-01"))],
    );
    sample(vec![gitlab, nextcloud, redis], Vec::new())
}

/// Services that are met for the first time, with and without an answer, and one that is no longer declared.
pub(super) fn first_contact() -> Sample {
    let gained = ServicePlan {
        presence: Presence::Gained,
        baseline: Some(Baseline {
            sources: vec![
                BaselineSource::Program("postgresql 15.10".to_owned()),
                BaselineSource::Release("24.11".to_owned()),
            ],
            assumed: versions(&["2022-11-20", "2023-09-14"]),
            undecided: Vec::new(),
        }),
        findings: vec![finding(
            Code::Baselined,
            Severity::Note,
            "postgresql",
            "postgresql is met for the first time",
            "Say otherwise with `nixmig stamp postgresql VERSION`.",
        )],
        ..service(
            "postgresql",
            &["2022-11-20", "2023-09-14"],
            Some("2024-10-01"),
            vec![up(migration("2024-10-01"))],
        )
    };
    let undecided = ServicePlan {
        presence: Presence::Gained,
        baseline: Some(Baseline {
            sources: Vec::new(),
            assumed: Vec::new(),
            undecided: versions(&["2025-03-01"]),
        }),
        findings: vec![Finding {
            versions: versions(&["2025-03-01"]),
            ..finding(
                Code::Unknown,
                Severity::Refused,
                "jenkins",
                "whether 2025-03-01 is applied cannot be told",
                "Look at the state, then say so with `nixmig stamp jenkins VERSION`.",
            )
        }],
        ..service("jenkins", &[], Some("2025-03-01"), Vec::new())
    };
    let lost = ServicePlan {
        presence: Presence::Lost,
        findings: vec![finding(
            Code::Lost,
            Severity::Warning,
            "consul",
            "`.#atlas` still runs consul and no longer declares its migrations",
            "Declare `migrations.consul` again.",
        )],
        ..service("consul", &["2024-01-01"], None, Vec::new())
    };
    sample(vec![lost, undecided, gained], Vec::new())
}

/// A way down that there is not, a gate that is masked, and beside them what runs all the same.
pub(super) fn refused() -> Sample {
    let stuck = down(Migration {
        down: Action {
            warn: text("Downgrade was not attempted.\nCopy your files back by hand."),
            ..Action::default()
        },
        ..migration("2024-10-01")
    });
    let mut mongodb = service("mongodb", &["2024-10-01"], None, vec![stuck]);
    mongodb.findings.push(Finding {
        versions: versions(&["2024-10-01"]),
        direction: Some(Direction::Down),
        at: migration("2024-10-01").origin,
        ..finding(
            Code::Stranded,
            Severity::Refused,
            "mongodb",
            "mongodb cannot go back: no script undoes 2024-10-01",
            "Stay on a generation that has it.",
        )
    });
    let mut masked = service("gitea", &["2023-01-01"], Some("2024-01-01"), Vec::new());
    masked.findings.push(finding(
        Code::Masked,
        Severity::Refused,
        "gitea",
        "the gate of gitea is masked, so its units cannot start",
        "Find what links `migrate-gitea.service` to /dev/null.",
    ));
    let quiet = service("grafana", &["2024-01-01"], Some("2024-01-01"), Vec::new());
    let moving = service(
        "redis",
        &["2024-01-01"],
        Some("2025-01-01"),
        vec![up(migration("2025-01-01"))],
    );
    sample(vec![masked, quiet, mongodb, moving], Vec::new())
}

/// A destructive step whose author, label and paths try to be more than text.
pub(super) fn hostile() -> Sample {
    let mut step = up(Migration {
        up: Action {
            script: text("echo \x1b[2J\x1b[H\x1b]0;owned\x07\n\tif true; then\r\n```\n</details>\n"),
            warn: text(
                "\x1b[1A\x1b[2K0 refused, nothing to do\rIndexes are rebuilt.\n\n  - \u{202e}desrever\u{202c}\n  - @everyone `x` | <b>\n",
            ),
            ..Action::default()
        },
        down: Action::default(),
        origin: Some(Location {
            file: "/etc/nixos/\x1b[31m`evil`|\n.nix".to_owned(),
            line: 1,
            column: 1,
        }),
        ..migration("2024-10-01")
    });
    step.needs_acknowledgement = true;
    let mut neo4j = service("neo4j", &[], Some("2024-10-01"), vec![step]);
    neo4j.findings.push(Finding {
        at: Some(Location {
            file: "a|b`c\u{9b}2J.nix".to_owned(),
            line: 3,
            column: 1,
        }),
        ..finding(
            Code::Destructive,
            Severity::Warning,
            "neo4j",
            "2024-10-01 | *loses* <img src=x> @someone \x1b[31m#1",
            "See [here](javascript:alert) or\nhttps://example.org/a_b#c.",
        )
    });
    let mut sample = sample(vec![neo4j], Vec::new());
    sample.new.label = ".#`x`|\x1b[31m<b>".to_owned();
    sample.new.notes = vec!["read\nagain \x1b[0m".to_owned()];
    sample
}

/// A source of which much could not be told.
pub(super) fn unknown() -> Sample {
    let mut step = up(Migration {
        up: Action {
            backup: Setting::Unknown(unread("depends on `cfg.backup`", 30)),
            restore: Setting::Unknown(unread("depends on `cfg.backup`", 31)),
            script: Setting::Set(Text::default()),
            warn: Setting::Unknown(unread("is `lib.optionalString cfg.loud …`", 32)),
            ..Action::default()
        },
        ..migration("2024-10-01")
    });
    step.undoable = None;
    let mut mysql = service("mysql", &["2024-01-01"], Some("2024-10-01"), vec![step]);
    mysql.findings.push(Finding {
        at: unread("", 8).at,
        ..finding(
            Code::Unknown,
            Severity::Warning,
            "mysql",
            "whether 2024-10-01 is declared depends on `cfg.enable`",
            "Read that side by evaluation.",
        )
    });
    let place = finding(
        Code::Unknown,
        Severity::Warning,
        "",
        "`modules/` has places that could not be read",
        "",
    );
    let mut sample = sample(vec![mysql], vec![place]);
    sample.new = Generation {
        release: Setting::Unknown(unread("a source has none", 1)),
        unread: vec![unread("is `import ./more.nix`", 40)],
        ..Generation::new("modules/", Kind::Source)
    };
    sample
}

/// No service on either side.
pub(super) fn empty() -> Sample {
    sample(Vec::new(), Vec::new())
}

/// A generation with a service of everything, one of nothing, and much that is unknown.
pub(super) fn generation() -> Generation {
    let mut generation = unknown().new;
    generation.notes = vec!["flake.lock was not written".to_owned()];
    let mut postgresql = Service::new("postgresql".parse().unwrap());
    let first = Migration {
        program: Setting::Set("16".to_owned()),
        cumulative: Setting::Set(()),
        up: Action {
            warn: text("Indexes on text are rebuilt.\nThis takes a while."),
            digest: format!("sha256:{}", "0".repeat(64)).parse().ok(),
            ..action("2023-09-14", WHOLE)
        },
        ..migration("2023-09-14")
    };
    let second = Migration {
        program: Setting::Unknown(unread("depends on `cfg.package`", 20)),
        cumulative: Setting::Unknown(unread("depends on `cfg.fast`", 21)),
        conditions: vec![unread("depends on `cfg.enable`", 19)],
        down: Action::default(),
        ..migration("2024-10-01")
    };
    for migration in [first, second] {
        postgresql.history.insert(migration).unwrap();
    }
    postgresql.history.unread = vec![unread("is `import ./steps.nix`", 41)];
    postgresql.units = Setting::Set(["postgresql.service".parse().unwrap()].into());
    postgresql.requires = Setting::Set(["redis.service".parse().unwrap()].into());
    postgresql.state_directories = Setting::Set(vec!["/var/lib/postgresql".to_owned()]);
    postgresql.package = Setting::Set(Program::parse("postgresql-17.2"));
    postgresql.detect = text("cat PG_VERSION\n");
    postgresql.oldest = Setting::Set(version("2021-01-01"));
    postgresql.acknowledge = [version("2023-09-14")].into();
    let mut bare = Service::new("bare".parse().unwrap());
    bare.masked = Setting::Set(());
    bare.units = Setting::Unknown(unread("its gate is masked", 1));
    for service in [postgresql, bare] {
        generation.services.insert(service.name.clone(), service);
    }
    let program = |name: &str| Setting::Set(Program::parse(name));
    for (unit, program) in [
        ("postgresql.service", program("postgresql-17.2")),
        ("redis.service", Setting::Unset),
        (
            "mysql.service",
            Setting::Unknown(unread("was not looked into", 1)),
        ),
    ] {
        generation.units.insert(unit.parse().unwrap(), program);
    }
    generation
}
