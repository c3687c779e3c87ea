//! Owns whether units of a service still have processes. The control group tells, not the unit's state: a unit that is
//! `failed` or `inactive` may have left some behind. Ends none of them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::UnitName;

/// Where the kernel shows control groups.
pub const CGROUPS: &str = "/sys/fs/cgroup";

/// A unit that has processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occupied {
    /// The unit; an instance where a template was asked for.
    pub unit: String,
    /// Its processes, ascending.
    pub processes: Vec<u32>,
}

/// What was found of the units that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// These have processes; none where the list is empty.
    Known(Vec<Occupied>),
    /// It cannot be told: why, as a clause.
    Unknown(&'static str),
}

/// Looks for processes of `units`, and of the instances of templates among them, below the control groups at `root`.
///
/// Only slices are searched: what a service nests below itself belongs to it, and the units of a user's manager are others of
/// the same names.
///
/// # Errors
///
/// Fails where a control group cannot be read.
pub fn look(root: &Path, units: &BTreeSet<UnitName>) -> io::Result<Occupancy> {
    // cgroups(7): version 2 has this file at its root, on hybrid systems one level deeper.
    let hybrid = root.join("unified");
    let root = match [root, &hybrid]
        .into_iter()
        .find(|root| root.join("cgroup.controllers").exists())
    {
        Some(root) => root,
        None => return Ok(Occupancy::Unknown("there are no control groups of version 2")),
    };
    let mut occupied = Vec::new();
    let mut managed = false;
    let mut slices = vec![root.to_owned()];
    while let Some(slice) = slices.pop() {
        for (name, place) in directories(&slice)? {
            if name.ends_with(".slice") {
                managed = true;
                slices.push(place);
            } else if let Some(unit) = wanted(&name, units) {
                let processes = processes(&place)?;
                if !processes.is_empty() {
                    occupied.push(Occupied { unit, processes });
                }
            }
        }
    }
    occupied.sort();
    Ok(match managed || !occupied.is_empty() {
        true => Occupancy::Known(occupied),
        false => Occupancy::Unknown("no systemd runs here"),
    })
}

/// The unit that a control group is of, if it is asked for. systemd puts a `_` before names that the kernel might take for its
/// own.
fn wanted(name: &str, units: &BTreeSet<UnitName>) -> Option<String> {
    let names = [Some(name), name.strip_prefix('_')];
    let unit = names.into_iter().flatten().find(|name| {
        let Ok(unit) = name.parse::<UnitName>() else {
            return false;
        };
        units.contains(&unit) || unit.template().is_some_and(|template| units.contains(&template))
    });
    unit.map(str::to_owned)
}

fn directories(place: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(place) {
        // A control group may go at any time.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

/// The processes of a control group and of all below it.
fn processes(place: &Path) -> io::Result<Vec<u32>> {
    let mut processes = Vec::new();
    let mut groups = vec![place.to_owned()];
    while let Some(group) = groups.pop() {
        match fs::read_to_string(group.join("cgroup.procs")) {
            // A process of another PID namespace is 0; it counts.
            Ok(text) => processes.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
            Err(error) if gone(&error) => {}
            // Of a threaded group only the group above tells.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        groups.extend(directories(&group)?.into_iter().map(|(_, place)| place));
    }
    processes.sort_unstable();
    Ok(processes)
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(processes: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.controllers"), "").unwrap();
        for (group, text) in processes {
            fs::create_dir_all(root.path().join(group)).unwrap();
            fs::write(root.path().join(group).join("cgroup.procs"), text).unwrap();
        }
        root
    }

    fn look_for(root: &Path, units: &[&str]) -> Occupancy {
        let units = units.iter().map(|unit| unit.parse().unwrap()).collect();
        look(root, &units).unwrap()
    }

    fn occupied(unit: &str, processes: &[u32]) -> Occupied {
        Occupied {
            unit: unit.to_owned(),
            processes: processes.to_vec(),
        }
    }

    #[test]
    fn processes_of_units_and_instances_anywhere_below() {
        let root = groups(&[
            ("system.slice/db.service", ""),
            ("system.slice/db.service/worker", "12\n7\n"),
            ("system.slice/system-wiki.slice/wiki@main.service", "3\n"),
            ("system.slice/other.service", "4\n"),
            (
                "user.slice/user-0.slice/user@0.service/app.slice/db2.service",
                "5\n",
            ),
            ("system.slice/_cpu.service", "6\n"),
            ("idle.service", ""),
        ]);
        let units = [
            "db.service",
            "wiki@.service",
            "db2.service",
            "cpu.service",
            "idle.service",
        ];
        let expected = vec![
            occupied("cpu.service", &[6]),
            occupied("db.service", &[7, 12]),
            occupied("wiki@main.service", &[3]),
        ];
        assert_eq!(look_for(root.path(), &units), Occupancy::Known(expected));
        assert_eq!(
            look_for(root.path(), &["idle.service"]),
            Occupancy::Known(Vec::new())
        );
    }

    #[test]
    fn what_cannot_be_told_says_so() {
        let root = groups(&[("init", "1\n")]);
        assert!(matches!(
            look_for(root.path(), &["db.service"]),
            Occupancy::Unknown(_)
        ));
        fs::remove_file(root.path().join("cgroup.controllers")).unwrap();
        assert!(matches!(
            look_for(root.path(), &["db.service"]),
            Occupancy::Unknown(_)
        ));
    }
}
