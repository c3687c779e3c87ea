//! What is left of a backup, and of a restore, when the power goes in the middle.

use std::path::PathBuf;
use std::process::Command;

use nixmig::execute::backup::{Spot, Watch, check, remove, restore, take};

use super::{Home, TASK, all, populate, run, same, task_of, wreck};
use crate::images::{Fs, Image, SIZE, apart};

/// The power goes at a point of a backup or a restore: what was flushed until then is enough.
#[test]
fn the_power_goes() {
    apart("backup::power::the_power_goes", || {
        let points = [
            ("take", "backup-half"),
            ("take", "backup-half#4"),
            ("take", "backup-written"),
            ("restore", "restore-begun"),
            ("restore", "restore-half"),
            ("restore", "restore-half#2"),
            ("restore", "restore-swapped"),
        ];
        for (fs, is_root) in Fs::ALL.into_iter().flat_map(|fs| [(fs, false), (fs, true)]) {
            let mut image = Image::make(fs, SIZE);
            let home = Home::new();
            let state = if is_root {
                image.path()
            } else {
                image.path().join("state")
            };
            populate(&state);
            let directories = [state.clone()];
            run(Command::new("sync").arg("-f").arg(image.path()));
            let before = all(&directories);
            for (what, point) in points {
                let spot = home.spot(&directories, "power");
                if what == "restore" {
                    take(&spot, &directories, &Watch::quiet()).unwrap();
                    wreck(&state);
                    run(Command::new("sync").arg("-f").arg(image.path()));
                }
                let copy = at_point(what, &spot, &directories, point, || image.copy_image());
                // A snapshot is one step, and so is a swap.
                let Some(copy) = copy else {
                    assert!(point.contains('#'), "{point} was not reached");
                    remove(&spot).unwrap();
                    continue;
                };
                image.after_power_loss(copy);
                let is_complete = check(&spot).is_ok();
                assert!(is_complete || what == "take", "{fs:?} {is_root} {point}");
                assert!(is_complete || point != "backup-written", "{fs:?} {is_root}");
                if is_complete {
                    restore(&spot, &Watch::quiet()).unwrap();
                }
                same(&before, &directories);
                remove(&spot).unwrap();
                run(Command::new("sync").arg("-f").arg(image.path()));
            }
        }
    });
}

#[test]
fn that_the_power_goes_is_noticed_without_flushes() {
    apart(
        "backup::power::that_the_power_goes_is_noticed_without_flushes",
        || {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "backup::power::the_power_goes",
                    "--nocapture",
                    "--test-threads",
                    "1",
                ])
                .env("NIXMIG_FAULT_NO_FLUSH", "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("panicked at"), "{said}");
        },
    );
}

/// Does that in another process up to a point, looks, and kills it there; none where it never came there.
fn at_point<T>(
    what: &str,
    spot: &Spot,
    directories: &[PathBuf],
    point: &str,
    look: impl FnOnce() -> T,
) -> Option<T> {
    let reached = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "backup::task", "--test-threads", "1"])
        .env(TASK, task_of(what, spot, directories))
        .env("NIXMIG_FAULT", format!("{point}:wait"))
        .env("NIXMIG_FAULT_AT", reached.path().join("reached"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !reached.path().join("reached").exists() {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let looked = look();
    child.kill().unwrap();
    child.wait().unwrap();
    Some(looked)
}
