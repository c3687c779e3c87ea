//! Owns the measure of what a step costs besides its script: a path of many that do nothing.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::images::{Fs, Image};
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line, time};
use crate::{Outcome, backup, nixmig};

const ROUNDS: usize = 4;
const STEPS: u32 = 100;

/// A path of a hundred steps, up and down in turns; every step has an empty script and a backup of a state of one file.
///
/// # Errors
///
/// When nixmig fails.
pub(crate) fn walk(fs: Fs) -> Outcome<Comparison> {
    let image = Image::make(fs, 512 << 20);
    let base = image.path();
    let state = base.join("app");
    fs::create_dir(&state)?;
    fs::write(state.join("data"), "data")?;
    fs::create_dir(base.join("gcroots"))?;
    let toplevels = [generation(&base, 0)?, generation(&base, STEPS)?];
    let call = |words: &[&str], toplevel: &Path| {
        let words = [nixmig()].into_iter().chain(words.iter().map(OsStr::new));
        let words = words.chain([toplevel.as_os_str(), "--state-dir".as_ref()]);
        let places = [
            base.join("nixmig"),
            "--gc-roots".into(),
            base.join("gcroots/nixmig"),
            "--guards".into(),
            base.join("guards"),
        ];
        Job::new(words.map(OsStr::to_owned).chain(places.map(Into::into)))
    };
    let [none, all] = &toplevels;
    call(&["stamp", "app", "none", "--generation"], none).time()?;
    let [down, up] = [none, all].map(|toplevel| call(&["migrate", "--service", "app"], toplevel));
    let mut is_up = false;
    let [times] = in_turns(
        ROUNDS,
        [Box::new(|| {
            is_up = !is_up;
            if is_up { up.time() } else { down.time() }
        })],
    )?;
    Ok(Comparison {
        what: format!(
            "a path of {STEPS} steps that do nothing, with a backup of one file each, {}",
            backup::name(&image)
        ),
        lines: vec![
            Line::of("`nixmig migrate`", &times),
            Line::fact("of which a step takes", time(times.median() / STEPS)),
        ],
    })
}

/// A generation with a service that has so many migrations.
fn generation(base: &Path, head: u32) -> Outcome<PathBuf> {
    let store = base.join("store");
    let place = |name: &str| store.join(format!("{head:03}23456789abcdfghijklmnpqrsvwxy-{name}"));
    let toplevel = place("nixos-system");
    let units = toplevel.join("etc/systemd/system");
    fs::create_dir_all(&units)?;
    fs::write(
        toplevel.join("etc/os-release"),
        "ID=nixos\nVERSION_ID=\"25.05\"\n",
    )?;
    let script = place("migrate-app");
    fs::write(&script, "#!/bin/sh\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let versions: Vec<_> = (0..head)
        .map(|step| format!("20{:02}-{:02}-01", step / 12, step % 12 + 1))
        .collect();
    let mut gate = format!(
        "[Unit]\nBefore=app.service\nX-Migration-Format=1\nX-Migration-Service=app\nX-Migration-Units=app.service\n\
         X-Migration-StateDirectories=[\"{}\"]\n",
        base.join("app").display()
    );
    let (digest, script) = ("0".repeat(64), script.display());
    for version in &versions {
        // Writing to a string does not fail.
        let _ = write!(gate, "\n[X-Migration {version}]\n");
        for direction in ["Up", "Down"] {
            let _ = write!(
                gate,
                "{direction}Digest=sha256:{digest}\n{direction}Script={script}\n"
            );
        }
    }
    gate.push_str("\n[Service]\nType=oneshot\nExecStart=/bin/true\n");
    let app = format!(
        "[Unit]\nRequires=migrate-app.service\nAfter=migrate-app.service\nX-Migration-Versions=app {}\n",
        versions.join(" ")
    );
    for (name, text) in [("migrate-app.service", gate), ("app.service", app)] {
        let unit = place(&format!("unit-{name}"));
        fs::create_dir_all(&unit)?;
        fs::write(unit.join(name), text)?;
        symlink(unit.join(name), units.join(name))?;
    }
    Ok(toplevel)
}
