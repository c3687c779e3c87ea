//! Guards on disk: what they say, what is left of them by whoever died, and that nothing planted leads them elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::model::{ServiceName, UnitName};
use crate::record::guards::{self, Guard};
use crate::record::testing::place;
use crate::record::{Place, RecordError};

fn units(names: &[&str]) -> BTreeSet<UnitName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn put_for(place: &Place, service: &str, names: &[&str]) -> Result<bool, RecordError> {
    let service: ServiceName = service.parse().unwrap();
    guards::put(
        place,
        &Guard {
            service: &service,
            units: units(names),
            requires: units(&["pg.service", "db.service", "worker@1.service"]),
            directories: ["/var/lib/my data".to_owned()].into(),
            program: Path::new("/opt/nixmig"),
        },
    )
}

fn remove(place: &Place, service: &str) -> bool {
    guards::remove(place, &service.parse().unwrap()).unwrap()
}

/// All files below the directory of guards, relative to it.
fn files(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![place.guards.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(&place.guards).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_guard_comes_and_goes() {
    let (_root, place) = place();
    assert!(guards::list(&place).unwrap().is_empty());
    assert!(!remove(&place, "db"));
    assert!(put_for(&place, "db", &["db.service", "worker@.service"]).unwrap());
    assert_eq!(
        files(&place),
        [
            "db.service.d/50-nixmig-db.conf",
            "nixmig-guard-db.service",
            "worker@.service.d/50-nixmig-db.conf"
        ]
    );
    let read = |name: &str| fs::read_to_string(place.guards.join(name)).unwrap();
    assert_eq!(
        read("db.service.d/50-nixmig-db.conf"),
        "# Kept by nixmig, see nixmig-guard-db.service.\n[Unit]\nRequires=nixmig-guard-db.service\n\
         After=nixmig-guard-db.service\n"
    );
    let unit = read("nixmig-guard-db.service");
    // Instances order themselves.
    assert!(unit.contains("\nBefore=db.service\n"), "{unit}");
    // What waits for it is not waited for.
    let required = "\nWants=pg.service\nAfter=pg.service\n";
    assert!(unit.contains(required), "{unit}");
    let mounts = format!(
        "\nRequiresMountsFor={} \"/var/lib/my data\"\n",
        place.state_dir.display()
    );
    assert!(unit.contains(&mounts), "{unit}");
    let command = format!(
        "\nExecStart=/opt/nixmig guard db --state-dir {} --gc-roots {} --guards {}\n",
        place.state_dir.display(),
        place.gc_roots.display(),
        place.guards.display()
    );
    assert!(unit.contains(&command), "{unit}");
    let found = &guards::list(&place).unwrap()["db"];
    assert_eq!(found.units, units(&["db.service", "worker@.service"]));
    assert_eq!(found.unit, Some(place.guards.join("nixmig-guard-db.service")));
    // What is there stays.
    assert!(!put_for(&place, "db", &["db.service", "worker@.service"]).unwrap());
    // A unit that no definition names any more waits on: an older generation may run it.
    assert!(!put_for(&place, "db", &["db.service"]).unwrap());
    assert!(place.guards.join("worker@.service.d").exists());
    assert!(remove(&place, "db"));
    assert_eq!(files(&place), [""; 0]);
}

#[test]
fn services_that_share_a_unit_have_a_drop_in_each() {
    let (_root, place) = place();
    put_for(&place, "db", &["app.service"]).unwrap();
    put_for(&place, "files", &["app.service"]).unwrap();
    fs::write(
        place.guards.join("app.service.d/50-CPUWeight.conf"),
        "[Service]\n",
    )
    .unwrap();
    assert!(remove(&place, "db"));
    assert_eq!(
        files(&place),
        [
            "app.service.d/50-CPUWeight.conf",
            "app.service.d/50-nixmig-files.conf",
            "nixmig-guard-files.service"
        ]
    );
    assert!(remove(&place, "files"));
    assert_eq!(files(&place), ["app.service.d/50-CPUWeight.conf"]);
}

#[test]
fn what_one_left_that_died_is_finished_or_removed() {
    let (_root, place) = place();
    // The unit alone: no unit waits for it yet.
    put_for(&place, "db", &["db.service"]).unwrap();
    fs::remove_dir_all(place.guards.join("db.service.d")).unwrap();
    assert!(guards::list(&place).unwrap()["db"].units.is_empty());
    assert!(put_for(&place, "db", &["db.service"]).unwrap());
    // A drop-in alone keeps its unit from starting, and is found.
    fs::remove_file(place.guards.join("nixmig-guard-db.service")).unwrap();
    assert_eq!(guards::list(&place).unwrap()["db"].unit, None);
    assert!(put_for(&place, "db", &["db.service"]).unwrap());
    // Files that had no name yet, and one that is not whole.
    fs::write(place.guards.join(".nixmig-guard-db.service.new"), "[Un").unwrap();
    fs::write(place.guards.join("db.service.d/.50-nixmig-db.conf.new"), "[Un").unwrap();
    fs::write(place.guards.join("db.service.d/50-nixmig-db.conf"), "[Un").unwrap();
    assert!(put_for(&place, "db", &["db.service"]).unwrap());
    let text = fs::read_to_string(place.guards.join("db.service.d/50-nixmig-db.conf")).unwrap();
    assert!(text.contains("Requires="), "{text}");
    fs::write(place.guards.join(".nixmig-guard-db.service.new"), "[Un").unwrap();
    assert!(remove(&place, "db"));
    assert_eq!(files(&place), [""; 0]);
}

#[test]
fn nothing_planted_leads_elsewhere() {
    let (root, place) = place();
    let elsewhere = root.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &place.guards).unwrap();
    assert!(matches!(
        put_for(&place, "db", &["db.service"]),
        Err(RecordError::Symlink(_))
    ));
    fs::remove_file(&place.guards).unwrap();
    fs::create_dir(&place.guards).unwrap();
    // A link in the place of a drop-in's directory.
    symlink(&elsewhere, place.guards.join("db.service.d")).unwrap();
    assert!(matches!(
        put_for(&place, "db", &["db.service"]),
        Err(RecordError::Symlink(_))
    ));
    fs::remove_file(place.guards.join("db.service.d")).unwrap();
    // A link in the place of a file is replaced, and not followed.
    let victim = elsewhere.join("victim");
    fs::write(&victim, "mine").unwrap();
    fs::create_dir(place.guards.join("db.service.d")).unwrap();
    symlink(&victim, place.guards.join("db.service.d/50-nixmig-db.conf")).unwrap();
    symlink(&victim, place.guards.join(".nixmig-guard-db.service.new")).unwrap();
    put_for(&place, "db", &["db.service"]).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    // A directory that others may write to.
    fs::set_permissions(&place.guards, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        put_for(&place, "db", &["db.service"]),
        Err(RecordError::Mode { .. })
    ));
}

#[test]
fn what_the_next_boot_empties_holds_no_guard() {
    let (_root, mut place) = place();
    place.guards = "/dev/shm/nixmig-guards-of-a-test/system.control".into();
    assert!(matches!(
        put_for(&place, "db", &["db.service"]),
        Err(RecordError::Memory {
            filesystem: "tmpfs",
            ..
        })
    ));
    assert!(!place.guards.exists());
    place.guards = "/proc/nixmig/system.control".into();
    assert!(put_for(&place, "db", &["db.service"]).is_err());
}

#[test]
fn an_overlay_that_other_generations_do_not_mount_holds_none() {
    let root = "22 1 0:1 / / rw - overlay overlay rw,upperdir=/u\n23 22 8:1 / /var rw - ext4 /dev/a rw\n";
    let etc = "24 22 0:2 / /etc rw - overlay overlay rw,upperdir=/.rw-etc/upper\n";
    let own = "25 24 8:1 /persist /etc/systemd rw - ext4 /dev/a rw\n";
    let is = |mounts: &[&str]| guards::is_overlaid(Path::new("/etc/systemd"), &mounts.concat());
    assert!(!is(&[]));
    assert!(!is(&[root]));
    assert!(is(&[root, etc]));
    assert!(!is(&[root, etc, own]));
    assert!(is(&[
        root,
        own,
        etc,
        "26 22 0:2 / /etc/systemd rw - overlay overlay rw\n"
    ]));
}
