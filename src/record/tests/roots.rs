//! What is kept from the garbage collector, and which program is handed over to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::testing::{begun, met, place, recorded, service};
use super::super::*;
use crate::model::Definition;

/// Makes a file in an object of a store of its own.
fn stored(root: &Path, name: &str, file: &str) -> PathBuf {
    let path = root.join(format!(
        "store/{}-{name}/{file}",
        "0123456789abcdfghijklmnpqrsvwxyz"
    ));
    if path.exists() {
        return path;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("[Unit]\nDescription={name}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    path
}

fn definition(root: &Path, name: &str) -> Definition {
    let unit = stored(root, name, "migrate-db.service");
    Definition {
        text: fs::read_to_string(&unit).unwrap(),
        unit: unit.to_str().unwrap().to_owned(),
        generation: String::new(),
    }
}

/// The links that there are, by their ends, and where each leads.
fn links(place: &Place) -> BTreeSet<(String, PathBuf)> {
    let named = |root: roots::Root| {
        let end = root
            .link
            .strip_prefix(&place.gc_roots)
            .unwrap()
            .display()
            .to_string();
        (end, root.target)
    };
    roots::list(place).unwrap().into_iter().map(named).collect()
}

#[test]
fn roots_are_made_replaced_and_dropped() {
    let (root, place, mut record) = recorded(&[met("db", &[], 1)]);
    let db = service("db");
    assert_eq!(roots::list(&place).unwrap(), []);
    let (old, new) = (
        definition(root.path(), "unit-old"),
        definition(root.path(), "unit-new"),
    );
    assert!(matches!(
        roots::keep(&place, &db, &old),
        Err(RecordError::NoGcRoots(_))
    ));
    fs::create_dir(place.gc_roots.parent().unwrap()).unwrap();
    roots::keep(&place, &db, &old).unwrap();
    roots::keep(&place, &db, &old).unwrap();
    roots::keep(&place, &db, &new).unwrap();
    let package = |version: &str| {
        let file = stored(root.path(), version, "bin/db");
        file.ancestors().nth(2).unwrap().to_str().unwrap().to_owned()
    };
    for version in ["db-15", "db-17"] {
        roots::keep_package(&place, &db, &package(version)).unwrap();
    }
    let all = links(&place);
    let targets: BTreeSet<_> = all
        .iter()
        .map(|(_, target)| target.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        targets,
        BTreeSet::from([old.unit.clone(), new.unit.clone(), package("db-17")])
    );
    assert!(all.iter().any(|(link, _)| link == "db/package"));
    let hashed = |link: &str| {
        link.strip_prefix("db/definition-")
            .is_some_and(|hex| hex.len() == 16)
    };
    assert_eq!(all.iter().filter(|(link, _)| hashed(link)).count(), 2);
    let taken = roots::definitions(&place).unwrap().remove(&db).unwrap();
    assert_eq!(
        taken.iter().map(|one| &one.text).collect::<BTreeSet<_>>(),
        BTreeSet::from([&old.text, &new.text])
    );

    record
        .append(&[
            Event::Defined {
                service: db.clone(),
                definition: new.clone(),
                current: true,
            },
            Event::PackageRan {
                service: db.clone(),
                package: package("db-17"),
            },
        ])
        .unwrap();
    roots::keep(&place, &service("wiki"), &old).unwrap();
    let view = record.view().unwrap();
    // Whoever works on another service has made it a moment ago, and will record it.
    let before = links(&place);
    roots::prune(&place, &view, &service("other")).unwrap();
    assert_eq!(links(&place), before);
    roots::prune(&place, &view, &db).unwrap();
    roots::prune(&place, &view, &service("wiki")).unwrap();
    let left: BTreeSet<_> = links(&place)
        .into_iter()
        .map(|(link, _)| link.split_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(
        links(&place).len(),
        3,
        "a root of a service that is not known is a trace"
    );
    assert_eq!(left, BTreeSet::from(["db".to_owned(), "wiki".to_owned()]));
    roots::let_go(&place, &db).unwrap();
    assert_eq!(links(&place).len(), 2);
    record
        .append(&[Event::Forgotten { service: db.clone() }])
        .unwrap();
    roots::prune(&place, &record.view().unwrap(), &db).unwrap();
    assert_eq!(
        roots::traces(&place).unwrap().into_keys().collect::<Vec<_>>(),
        [service("wiki")]
    );
    assert!(!place.gc_roots.join("db").exists());
}

#[test]
fn only_what_is_in_a_store_is_kept() {
    let (root, place) = place();
    fs::create_dir(root.path().join("gcroots")).unwrap();
    let mut wrong = definition(root.path(), "unit");
    fs::remove_file(&wrong.unit).unwrap();
    assert!(matches!(
        roots::keep(&place, &service("db"), &wrong),
        Err(RecordError::NotInStore(_))
    ));
    wrong.unit = root.path().join("state").display().to_string();
    assert!(matches!(
        roots::keep(&place, &service("db"), &wrong),
        Err(RecordError::NotInStore(_))
    ));
    assert!(!place.gc_roots.exists());
}

#[test]
fn planted_links_among_the_roots_lead_nowhere() {
    let (root, place) = place();
    let unit = definition(root.path(), "unit");
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(&place.gc_roots).unwrap();
    symlink(&elsewhere, place.gc_roots.join("db")).unwrap();
    assert!(roots::keep(&place, &service("db"), &unit).is_err());
    assert_eq!(roots::list(&place).unwrap(), []);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_link_that_a_maker_left_is_replaced() {
    let (root, place) = place();
    let unit = definition(root.path(), "unit");
    fs::create_dir_all(place.gc_roots.join("db")).unwrap();
    symlink("/nowhere", place.gc_roots.join("db/.new")).unwrap();
    roots::keep(&place, &service("db"), &unit).unwrap();
    let names: Vec<_> = fs::read_dir(place.gc_roots.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn the_newest_program_is_kept_and_handed_over_to() {
    let (root, place, record) = recorded(&begun(1));
    drop(record);
    fs::create_dir(root.path().join("gcroots")).unwrap();
    let [old, new] = ["nixmig-0.9.0", "nixmig-0.10.0"].map(|name| stored(root.path(), name, "bin/nixmig"));
    roots::keep_program(&place, &place.record()).unwrap();
    assert!(!place.state_dir.join("bin").exists(), "it is in no store");
    roots::keep_program(&place, &old).unwrap();
    roots::keep_program(&place, &new).unwrap();
    roots::keep_program(&place, &old).unwrap();
    let link = |path: PathBuf| fs::read_link(path).unwrap();
    assert_eq!(link(place.state_dir.join("bin")), new.parent().unwrap());
    assert_eq!(
        link(place.gc_roots.join(".nixmig")),
        new.ancestors().nth(2).unwrap()
    );

    let database = rusqlite::Connection::open(place.record()).unwrap();
    database.pragma_update(None, "user_version", 2).unwrap();
    drop(database);
    let program = |set: bool| {
        let error = look(&place).unwrap_err();
        handover(&error, |_| set.then(|| "1".into()))
    };
    assert_eq!(program(false), Some(fs::canonicalize(&new).unwrap()));
    assert_eq!(program(true), None, "it was handed over to already");
    assert_eq!(handover(&RecordError::Absent(place.record()), |_| None), None);

    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(new.parent().unwrap(), 0o777);
    assert_eq!(program(false), None, "others may replace it");
    chmod(new.parent().unwrap(), 0o755);
    chmod(&new, 0o444);
    assert_eq!(program(false), None, "it does not run");
    fs::remove_file(&new).unwrap();
    assert_eq!(program(false), None);
    fs::remove_file(place.state_dir.join("bin")).unwrap();
    symlink("/bin", place.state_dir.join("bin")).unwrap();
    assert_eq!(program(false), None, "it is in no store");
}
