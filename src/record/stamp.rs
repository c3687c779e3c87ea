//! Owns the stamps on state directories: an extended attribute that says which record knows the state, and as of which change.
//! A snapshot from before, or the data of another machine, carries another.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::str::FromStr;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::RecordId;

/// The attribute. Only a process with CAP_SYS_ADMIN sees it or sets it (xattr(7)).
pub const ATTRIBUTE: &str = "trusted.nixmig";

/// What stands on a state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The record that knows the state.
    pub record: RecordId,
    /// How often what is applied to it had changed.
    pub sequence: u64,
}

/// A stamp cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// It is not one that this program knows.
    #[error("`{0}` is no stamp of this format, `1 ID NUMBER`")]
    Text(String),
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FromStr for Stamp {
    type Err = StampError;

    fn from_str(text: &str) -> Result<Self, StampError> {
        let words: Vec<_> = text.split(' ').collect();
        let stamp = || {
            let &["1", record, sequence] = words.as_slice() else {
                return None;
            };
            let stamp = Self {
                record: record.parse().ok()?,
                sequence: sequence.parse().ok()?,
            };
            // One way to write it, so that what is read is what was written.
            (stamp.to_string() == text).then_some(stamp)
        };
        stamp().ok_or_else(|| StampError::Text(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 {} {}", self.record, self.sequence)
    }
}

/// Whether an error says that there cannot be such attributes: the file system has none, or this process, even as root, is in a
/// container that may not have them.
fn cannot_be(error: Errno) -> bool {
    [Errno::OPNOTSUPP, Errno::NOTSUP, Errno::PERM].contains(&error)
}

/// The stamp on a directory; none where it carries none, or none can be seen.
///
/// # Errors
///
/// Fails where the attribute is there and is no stamp, and where it cannot be read.
pub fn read(directory: impl AsFd) -> Result<Option<Stamp>, StampError> {
    let mut bytes = [0; 256];
    match rustix::fs::fgetxattr(directory, ATTRIBUTE, &mut bytes) {
        Ok(length) => String::from_utf8_lossy(&bytes[..length]).parse().map(Some),
        Err(Errno::NODATA) => Ok(None),
        Err(Errno::RANGE) => Err(StampError::Text("…".to_owned())),
        Err(error) if cannot_be(error) => Ok(None),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Puts a stamp on a directory in place of what it carries, and has it on disk. Says whether it could: `false` where no
/// attributes can be, which is no error.
///
/// # Errors
///
/// Fails where attributes can be and this one cannot be written.
pub fn write(directory: impl AsFd, stamp: &Stamp) -> Result<bool, StampError> {
    let text = stamp.to_string();
    match rustix::fs::fsetxattr(&directory, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()) {
        Ok(()) => flush(directory).map(|()| true),
        Err(error) if cannot_be(error) => Ok(false),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Takes the stamp off a directory.
///
/// # Errors
///
/// Fails where it carries one that cannot be taken off.
pub fn remove(directory: impl AsFd) -> Result<(), StampError> {
    match rustix::fs::fremovexattr(&directory, ATTRIBUTE) {
        Ok(()) => flush(directory),
        Err(Errno::NODATA) => Ok(()),
        Err(error) if cannot_be(error) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Opens a directory so that its stamp can be read and written. Links are followed.
///
/// # Errors
///
/// Fails where no directory is there.
pub fn open(directory: &Path) -> io::Result<impl AsFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(directory, flags, Mode::empty())?)
}

fn flush(directory: impl AsFd) -> Result<(), StampError> {
    if crate::fault::flushes() {
        rustix::fs::fsync(directory).map_err(io::Error::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(sequence: u64) -> Stamp {
        Stamp {
            record: RecordId::from_bytes([1; 16]),
            sequence,
        }
    }

    #[test]
    fn texts() {
        let text = "1 01010101010101010101010101010101 42";
        assert_eq!(stamp(42).to_string(), text);
        assert_eq!(text.parse::<Stamp>().unwrap(), stamp(42));
        for wrong in [
            "",
            "2 01010101010101010101010101010101 42",
            "1 01010101010101010101010101010101 +42",
            "1 01010101010101010101010101010101 042",
            "1 01010101010101010101010101010101 42\n",
            "1 01010101010101010101010101010101",
            "1 0101 42",
        ] {
            assert!(wrong.parse::<Stamp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn stamps_are_put_read_and_taken_off() {
        let (root, _place) = super::super::testing::place();
        let directory = open(root.path()).unwrap();
        assert_eq!(read(&directory).unwrap(), None);
        if !write(&directory, &stamp(1)).unwrap() {
            assert!(std::env::var_os("CI").is_none(), "stamps need root and a disk");
            eprintln!("skipped: no extended attributes can be here");
            return;
        }
        assert_eq!(read(&directory).unwrap(), Some(stamp(1)));
        write(&directory, &stamp(2)).unwrap();
        assert_eq!(read(&directory).unwrap(), Some(stamp(2)));
        remove(&directory).unwrap();
        remove(&directory).unwrap();
        assert_eq!(read(&directory).unwrap(), None);
        for text in ["later", &"x".repeat(300)] {
            rustix::fs::fsetxattr(&directory, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()).unwrap();
            assert!(matches!(read(&directory), Err(StampError::Text(_))));
        }
    }

    #[test]
    fn no_stamps_where_no_attributes_can_be() {
        // procfs has none.
        let directory = open(Path::new("/proc")).unwrap();
        assert!(!write(&directory, &stamp(1)).unwrap());
        assert_eq!(read(&directory).unwrap(), None);
        remove(&directory).unwrap();
    }
}
