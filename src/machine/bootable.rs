//! Owns which generations this machine can start: every link of the system profiles with its specialisations, and those that
//! run and were booted.

use std::path::{Path, PathBuf};

use super::error::MachineError;
use crate::generation::ReadOptions;
use crate::generation::closure::root::Root;
use crate::generation::closure::{PathError, is_system};

/// A generation that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootable {
    /// References that name it, the newest number first: `42`, `41`, `42/specialisation/rescue`.
    pub names: Vec<String>,
    /// Its toplevel.
    pub toplevel: PathBuf,
    /// Whether it runs.
    pub current: bool,
    /// Whether the machine was started with it.
    pub booted: bool,
    /// Whether it is what the system profile points to: what starts next if nobody chooses.
    pub next: bool,
}

impl Bootable {
    /// What it is called.
    pub fn label(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bootables {
    /// Newest first by number; the system profile's before those of others; each before its specialisations. One that several
    /// links lead to is there once.
    pub generations: Vec<Bootable>,
    /// Whether a profile leads to any of them. A container has none: which generations it may start, its host knows.
    pub in_profiles: bool,
    /// Links that lead to no system, as sentences.
    pub notes: Vec<String>,
}

/// A link of a profile: what it is called, and where it is.
struct Link {
    name: String,
    place: PathBuf,
}

impl Bootables {
    /// The same for a machine that is read so.
    ///
    /// # Errors
    ///
    /// Fails where its root or its profiles cannot be read.
    pub fn look(options: &ReadOptions) -> Result<Self, MachineError> {
        let root = Root::new(&options.root)?;
        Ok(Self::find(&root, &options.profile)?)
    }

    /// Looks for them; `profile` is that of the system, `/nix/var/nix/profiles/system`. The others are those in
    /// `system-profiles` beside it, where `nixos-rebuild --profile-name` puts them.
    ///
    /// # Errors
    ///
    /// Fails where a directory of profiles cannot be listed.
    pub(super) fn find(root: &Root, profile: &Path) -> Result<Self, PathError> {
        let mut found = Self::default();
        let system = root.locate(profile)?;
        for (number, link) in numbered(&system)? {
            let name = number.to_string();
            found.link(root, &Link { name, place: link });
        }
        for other in others(&system.with_file_name("system-profiles"))? {
            for (_, link) in numbered(&other)? {
                let name = root.inner(&link).to_string_lossy().into_owned();
                found.link(root, &Link { name, place: link });
            }
        }
        found.in_profiles = !found.generations.is_empty();
        for (word, link) in [
            ("current", "/run/current-system"),
            ("booted", "/run/booted-system"),
        ] {
            let place = root.locate(Path::new(link))?;
            let Ok(toplevel) = root.resolve(&place).map(|place| root.inner(&place)) else {
                continue;
            };
            if found.at(&toplevel).is_none() {
                let name = word.to_owned();
                found.link(root, &Link { name, place });
            }
            if let Some(generation) = found.at(&toplevel) {
                match word {
                    "current" => generation.current = true,
                    _ => generation.booted = true,
                }
            }
        }
        if let Ok(next) = root.resolve(&system) {
            let next = root.inner(&next);
            if let Some(generation) = found.at(&next) {
                generation.next = true;
            }
        }
        Ok(found)
    }

    /// The one of a toplevel.
    fn at(&mut self, toplevel: &Path) -> Option<&mut Bootable> {
        let mut all = self.generations.iter_mut();
        all.find(|generation| generation.toplevel == toplevel)
    }

    /// Adds what a link leads to, with its specialisations.
    fn link(&mut self, root: &Root, link: &Link) {
        let system = match root.resolve(&link.place) {
            Ok(system) if is_system(root, &system) => system,
            Ok(_) | Err(_) => {
                let link = root.inner(&link.place);
                self.notes
                    .push(format!("{} leads to no system that is there", link.display()));
                return;
            }
        };
        self.add(&link.name, root.inner(&system));
        let mut names = names(&system.join("specialisation")).unwrap_or_default();
        names.sort();
        for name in names {
            let inside = root.resolve(&system.join("specialisation").join(&name));
            if let Some(inside) = inside.ok().filter(|inside| is_system(root, inside)) {
                let name = format!("{}/specialisation/{name}", link.name);
                self.add(&name, root.inner(&inside));
            }
        }
    }

    fn add(&mut self, name: &str, toplevel: PathBuf) {
        match self.at(&toplevel) {
            Some(known) => known.names.push(name.to_owned()),
            None => self.generations.push(Bootable {
                names: vec![name.to_owned()],
                toplevel,
                current: false,
                booted: false,
                next: false,
            }),
        }
    }

    /// The one that runs.
    pub fn current(&self) -> Option<&Bootable> {
        self.generations.iter().find(|generation| generation.current)
    }

    /// The one that ran before the one that runs, as far as the profile tells: the next older number; of a system that is in
    /// no profile, what the profile points to.
    pub fn before_current(&self) -> Option<&Bootable> {
        let number = |generation: &Bootable| {
            let numbers = generation.names.iter();
            numbers.filter_map(|name| name.parse::<u64>().ok()).max()
        };
        let current = self.current()?;
        match number(current) {
            None => self
                .generations
                .iter()
                .find(|generation| generation.next && !generation.current),
            Some(own) => {
                let older = self.generations.iter().filter(|generation| !generation.current);
                older
                    .filter_map(|generation| Some((number(generation)?, generation)))
                    .filter(|&(number, _)| number < own)
                    .max_by_key(|&(number, _)| number)
                    .map(|(_, generation)| generation)
            }
        }
    }
}

/// The links `<profile>-<number>-link`, newest first; none where the directory is not there.
fn numbered(profile: &Path) -> Result<Vec<(u64, PathBuf)>, PathError> {
    let (Some(directory), Some(name)) = (profile.parent(), profile.file_name()) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{}-", name.to_string_lossy());
    let number = |link: &String| {
        link.strip_prefix(&prefix)?
            .strip_suffix("-link")?
            .parse::<u64>()
            .ok()
    };
    let mut links: Vec<_> = names(directory)?
        .into_iter()
        .filter_map(|link| Some((number(&link)?, directory.join(link))))
        .collect();
    links.sort_unstable_by(|a, b| b.cmp(a));
    Ok(links)
}

/// The profiles in a directory of them, by name.
fn others(directory: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut profiles: Vec<_> = names(directory)?
        .iter()
        .filter_map(|link| {
            let (profile, number) = link.strip_suffix("-link")?.rsplit_once('-')?;
            number.parse::<u64>().ok()?;
            Some(directory.join(profile))
        })
        .collect();
    profiles.sort_unstable();
    profiles.dedup();
    Ok(profiles)
}

/// The names in a directory; none where it is not there.
fn names(directory: &Path) -> Result<Vec<String>, PathError> {
    let io = |problem| PathError::Io {
        path: directory.to_owned(),
        problem,
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not UTF-8 is none of NixOS's.
        names.extend(entry.map_err(io)?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn system(&self, name: &str) -> String {
            let system = format!("/store/{name}");
            fs::create_dir_all(self.0.path().join(format!("store/{name}/etc/systemd/system"))).unwrap();
            system
        }

        fn link(&self, from: &str, to: &str) {
            let from = self.0.path().join(from);
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            symlink(to, from).unwrap();
        }

        fn find(&self) -> Bootables {
            let root = Root::new(self.0.path()).unwrap();
            Bootables::find(&root, Path::new("/profiles/system")).unwrap()
        }
    }

    fn lines(bootables: &Bootables) -> Vec<String> {
        let lines = bootables.generations.iter().map(|generation| {
            let marks = [
                (generation.current, " current"),
                (generation.booted, " booted"),
                (generation.next, " next"),
            ];
            let marks: String = marks
                .into_iter()
                .filter_map(|(is, mark)| is.then_some(mark))
                .collect();
            format!("{}{marks}", generation.names.join(","))
        });
        lines.collect()
    }

    #[test]
    fn every_link_of_every_profile_counts() {
        let tree = Tree::new();
        for name in ["a", "b", "c", "d"] {
            tree.system(name);
        }
        tree.link("profiles/system-9-link", "/store/a");
        tree.link("profiles/system-10-link", "/store/b");
        tree.link("profiles/system-11-link", "/store/a");
        tree.link("profiles/system-12-link", "/store/gone");
        tree.link("profiles/system", "system-10-link");
        tree.link("profiles/system-profiles/test-1-link", "/store/c");
        tree.link("profiles/per-user-3-link", "/store/c");
        tree.link("store/b/specialisation/rescue", "/store/d");
        tree.link("run/current-system", "/store/d");
        tree.link("run/booted-system", "/store/a");
        let found = tree.find();
        assert_eq!(
            lines(&found),
            [
                "11,9 booted",
                "10 next",
                "10/specialisation/rescue current",
                "/profiles/system-profiles/test-1-link"
            ]
        );
        assert_eq!(
            found.notes,
            ["/profiles/system-12-link leads to no system that is there"]
        );
    }

    #[test]
    fn what_ran_before() {
        let tree = Tree::new();
        for name in ["a", "b", "c"] {
            tree.system(name);
        }
        tree.link("profiles/system-1-link", "/store/a");
        tree.link("profiles/system-2-link", "/store/b");
        tree.link("profiles/system", "system-2-link");
        tree.link("run/current-system", "/store/b");
        assert_eq!(tree.find().before_current().unwrap().label(), "1");
        // One that is in no profile took the place of what the profile has.
        fs::remove_file(tree.0.path().join("run/current-system")).unwrap();
        assert_eq!(tree.find().before_current(), None);
        tree.link("run/current-system", "/store/c");
        let found = tree.find();
        assert_eq!(found.before_current().unwrap().label(), "2");
        assert_eq!(found.current().unwrap().label(), "current");
    }

    #[test]
    fn a_machine_without_profiles_has_none() {
        assert_eq!(Tree::new().find(), Bootables::default());
    }
}
