//! Owns where a system is: the link or number that names it, and the systems inside it.

use std::path::{Path, PathBuf};

use crate::generation::ReadOptions;
use crate::generation::evaluation::Inside;
use crate::generation::reference::{Closure, Toplevel};

use super::error::ClosureError;
use super::file;
use super::root::{PathError, Root};

/// Finds the system that a reference names, as a resolved place.
pub(super) fn find(root: &Root, closure: &Closure, options: &ReadOptions) -> Result<PathBuf, ClosureError> {
    let running = |word, link: &'static str| match root.resolve(&root.locate(Path::new(link))?) {
        Err(PathError::Absent { .. }) => Err(ClosureError::NotRunning {
            word,
            link,
            root: (options.root != Path::new("/")).then(|| options.root.clone()),
        }),
        place => Ok(place?),
    };
    let mut place = match &closure.toplevel {
        Toplevel::Current => running("current", "/run/current-system")?,
        Toplevel::Booted => running("booted", "/run/booted-system")?,
        Toplevel::Generation(number) => generation(root, number, &options.profile)?,
        Toplevel::Path(path) => root.resolve(&root.locate(path)?)?,
    };
    for inside in &closure.inside {
        place = match inside {
            Inside::Specialisation(name) => specialisation(root, &place, name)?,
            Inside::Container(name) => container(root, &place, name)?,
        };
    }
    Ok(place)
}

fn generation(root: &Root, number: &str, profile: &Path) -> Result<PathBuf, ClosureError> {
    let name = profile.file_name().unwrap_or_default().to_string_lossy();
    let link = root.locate(&profile.with_file_name(format!("{name}-{number}-link")))?;
    match root.resolve(&link) {
        Err(PathError::Absent { .. }) => {
            let directory = link.parent().and_then(|directory| root.resolve(directory).ok());
            let mut known: Vec<u64> = names(directory.as_deref())
                .filter_map(|link| {
                    let number = link
                        .strip_prefix(&*name)?
                        .strip_prefix('-')?
                        .strip_suffix("-link")?;
                    number.parse().ok()
                })
                .collect();
            known.sort_unstable();
            Err(ClosureError::NoGeneration {
                number: number.to_owned(),
                profile: profile.to_owned(),
                known: known.iter().map(u64::to_string).collect(),
            })
        }
        place => Ok(place?),
    }
}

fn specialisation(root: &Root, host: &Path, name: &str) -> Result<PathBuf, ClosureError> {
    let directory = host.join("specialisation");
    match root.resolve(&directory.join(name)) {
        Err(PathError::Absent { .. }) => {
            let directory = root.resolve(&directory).ok();
            Err(not_inside(
                root,
                host,
                "specialisation",
                name,
                names(directory.as_deref()),
            ))
        }
        place => Ok(place?),
    }
}

/// Where NixOS writes the configurations of a host's containers: with a `system.stateVersion` from 22.05 on, and before
/// (nixos/modules/virtualisation/nixos-containers.nix).
const CONTAINERS: [&str; 2] = ["etc/nixos-containers", "etc/containers"];

fn container(root: &Root, host: &Path, name: &str) -> Result<PathBuf, ClosureError> {
    const LIMIT: u64 = 1 << 20;
    for directory in CONTAINERS {
        let file = match root.resolve(&host.join(directory).join(format!("{name}.conf"))) {
            Err(PathError::Absent { .. }) => continue,
            file => file?,
        };
        let bytes = file::read(&file, LIMIT)?;
        let text = String::from_utf8_lossy(&bytes);
        let system = text
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix("SYSTEM_PATH="))
            .map(|path| path.trim_matches(['"', '\'']))
            .filter(|path| path.starts_with('/'));
        let Some(system) = system else {
            let name = name.to_owned();
            return Err(ClosureError::ContainerWithoutSystem { name, file });
        };
        return Ok(root.resolve(&root.locate(Path::new(system))?)?);
    }
    let known = CONTAINERS.iter().flat_map(|directory| {
        let directory = root.resolve(&host.join(directory)).ok();
        names(directory.as_deref()).filter_map(|file| file.strip_suffix(".conf").map(str::to_owned))
    });
    Err(not_inside(root, host, "container", name, known))
}

fn not_inside(
    root: &Root,
    host: &Path,
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = String>,
) -> ClosureError {
    let mut known: Vec<_> = known.collect();
    known.sort();
    ClosureError::NotInside {
        host: root.inner(host),
        kind,
        name: name.to_owned(),
        known,
    }
}

/// The names in a directory, for an error that lists what there is; none where it cannot be read.
fn names(directory: Option<&Path>) -> impl Iterator<Item = String> + use<> {
    directory
        .and_then(|directory| std::fs::read_dir(directory).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}
