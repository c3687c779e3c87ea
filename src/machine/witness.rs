//! Owns what the state directories of one service bear witness of: whether they are mounted, there, and stamped as the record
//! says; and for a service that no record knows, whether there is state, or a trace of a lost record.

use std::path::Path;

use super::facts::is_settled;
use super::mounts::{Expected, Mounted};
use super::state::{self, Contents};
use crate::generation::closure::root::Root;
use crate::model::{How, Recorded, Service};
use crate::plan::Trouble;
use crate::record::stamp::{self, Stamp};
use crate::record::{RecordId, Unmet};

/// What is looked at, and with what.
#[derive(Clone, Copy)]
pub(super) struct Eyes<'a> {
    /// Where paths are followed.
    pub(super) root: &'a Root,
    /// The mounts that the generation asks for.
    pub(super) expected: &'a Expected,
    /// The mounts that there are.
    pub(super) mounted: &'a Mounted,
    /// Whether this process sees stamps, which are for root alone.
    pub(super) privileged: bool,
}

/// What became of one state directory.
enum Sight {
    /// Its trouble ends the look.
    Trouble(Trouble),
    /// It is not there.
    Missing,
    /// It is there.
    There(Option<Stamp>),
}

impl Eyes<'_> {
    /// Looks at one state directory.
    fn see(&self, directory: &str) -> Sight {
        let path = Path::new(directory);
        let unread = |reason: String| {
            Sight::Trouble(Trouble::Unread {
                directory: directory.to_owned(),
                reason,
            })
        };
        let place = match state::place(self.root, path) {
            Ok(place) => place,
            Err(error) => return unread(error.to_string()),
        };
        // The path as it is declared, and where its links lead.
        let inner = place.as_ref().map(|place| self.root.inner(place));
        let paths = [Some(path.to_owned()), inner];
        let mut paths = paths.iter().flatten();
        if let Some(mount) = paths.find_map(|path| self.expected.missing(self.root, path, self.mounted)) {
            return Sight::Trouble(Trouble::Unmounted {
                directory: directory.to_owned(),
                mount: mount.to_string_lossy().into_owned(),
            });
        }
        match place {
            None => Sight::Missing,
            Some(_) if !self.privileged => Sight::There(None),
            Some(place) => match read_stamp(&place) {
                Ok(stamp) => Sight::There(stamp),
                Err(reason) => unread(reason),
            },
        }
    }

    /// What is wrong with the state of a service that the record knows.
    ///
    /// While a run is open, or a step was not brought back, the directories are as it left them, and only whose they are and
    /// whether they are mounted is looked at.
    pub(super) fn recorded(
        &self,
        directories: &[String],
        recorded: &Recorded,
        own: &RecordId,
    ) -> Vec<Trouble> {
        let settled = is_settled(recorded);
        let mut troubles = Vec::new();
        let mut doubtful = Vec::new();
        for directory in directories {
            let stamped = recorded.stamped.contains(directory);
            match self.see(directory) {
                Sight::Trouble(trouble) => troubles.push(trouble),
                Sight::Missing if settled && stamped => troubles.push(Trouble::Gone {
                    directory: directory.clone(),
                }),
                Sight::Missing => doubtful.push(directory),
                Sight::There(Some(stamp)) if stamp.record != *own => troubles.push(Trouble::OtherRecord {
                    directory: directory.clone(),
                    found: stamp.record.to_string(),
                }),
                Sight::There(_) if !settled => {}
                Sight::There(Some(stamp)) if stamped => {
                    let (directory, found) = (directory.clone(), stamp.sequence);
                    if found < recorded.sequence {
                        troubles.push(Trouble::Older { directory, found });
                    } else if found > recorded.sequence {
                        troubles.push(Trouble::Newer { directory, found });
                    }
                }
                Sight::There(Some(_)) => {}
                Sight::There(None) if stamped && self.privileged => troubles.push(self.unstamped(directory)),
                Sight::There(None) => doubtful.push(directory),
            }
        }
        let ran = recorded.applied.iter().any(|applied| applied.how == How::Ran);
        if settled && ran && !directories.is_empty() && doubtful.len() == directories.len() {
            troubles.extend(self.nothing_left(&doubtful));
        }
        troubles
    }

    /// Another directory in its place, or an empty one.
    fn unstamped(&self, directory: &str) -> Trouble {
        let directory = directory.to_owned();
        match state::contents(self.root, Path::new(&directory)) {
            Ok(Contents::Missing | Contents::NoFile) => Trouble::Empty { directory },
            Ok(Contents::Files) | Err(_) => Trouble::Unstamped { directory },
        }
    }

    /// Steps ran, and none of the directories that they ran on has a file.
    fn nothing_left(&self, directories: &[&String]) -> Option<Trouble> {
        let mut first = None;
        for &directory in directories {
            let trouble = match state::contents(self.root, Path::new(directory)) {
                Ok(Contents::Files) => return None,
                Ok(Contents::NoFile) => Trouble::Empty {
                    directory: directory.clone(),
                },
                Ok(Contents::Missing) => Trouble::Gone {
                    directory: directory.clone(),
                },
                Err(error) => Trouble::Unread {
                    directory: directory.clone(),
                    reason: error.to_string(),
                },
            };
            first.get_or_insert(trouble);
        }
        first
    }

    /// What the state directories of a service say that no record knows.
    pub(super) fn unrecorded(
        &self,
        service: &Service,
        own: Option<&RecordId>,
        unmet: Option<&Unmet>,
    ) -> Unrecorded {
        let mut found = Unrecorded::default();
        let Some(directories) = service.state_directories.value().filter(|all| !all.is_empty()) else {
            return found;
        };
        let mut empty = true;
        for directory in directories {
            match self.see(directory) {
                Sight::Trouble(trouble) => {
                    empty = false;
                    found.troubles.push(trouble);
                }
                Sight::Missing => {}
                Sight::There(stamp) => {
                    if let Some(stamp) = stamp.filter(|stamp| !is_forgotten(stamp, own, unmet)) {
                        found
                            .stamp
                            .get_or_insert(format!("the stamp of record {} on {directory}", stamp.record));
                    }
                    match state::contents(self.root, Path::new(directory)) {
                        Ok(Contents::Files) => found.files = true,
                        Ok(Contents::Missing | Contents::NoFile) => {}
                        Err(error) => {
                            empty = false;
                            found.troubles.push(Trouble::Unread {
                                directory: directory.clone(),
                                reason: error.to_string(),
                            });
                        }
                    }
                }
            }
        }
        found.empty = empty && !found.files;
        found
    }
}

/// What is seen of a service that no record knows. Nothing where no state directories are known.
#[derive(Default)]
pub(super) struct Unrecorded {
    /// Whether they hold a file.
    pub(super) files: bool,
    /// Whether it is known that they hold none.
    pub(super) empty: bool,
    /// The stamp of a record on one of them.
    pub(super) stamp: Option<String>,
    /// What could not be seen, or should not be so.
    pub(super) troubles: Vec<Trouble>,
}

/// A stamp that was left behind by `forget`.
fn is_forgotten(stamp: &Stamp, own: Option<&RecordId>, unmet: Option<&Unmet>) -> bool {
    own == Some(&stamp.record) && unmet.is_some_and(|unmet| !unmet.lost && stamp.sequence <= unmet.sequence)
}

fn read_stamp(place: &Path) -> Result<Option<Stamp>, String> {
    let directory = stamp::open(place).map_err(|error| error.to_string())?;
    stamp::read(directory).map_err(|error| error.to_string())
}
