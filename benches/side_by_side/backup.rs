//! Owns the comparison of nixmig's own backups with `cp -a` and a flush, on file systems that are made for it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nixmig::execute::backup::{self, Method, Watch};

use crate::images::{self, Fs, Image};
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line, number};
use crate::{Outcome, itself, steps};

/// Asks for the comparisons in a mount namespace of their own, and for their figures in a file.
pub(crate) const FLAG: &str = "--backup-apart";

const ROUNDS: usize = 7;

/// As many times as long as `cp`, at 0.9 times its speed.
const MOST: f64 = 1.11;
const LONGEST_REFLINK: Duration = Duration::from_millis(200);

/// What is copied.
struct Load {
    files: usize,
    /// Of the smallest and the largest file.
    sizes: (usize, usize),
    words: &'static str,
}

const SMALL: Load = Load {
    files: 20_000,
    sizes: (512, 7680),
    words: "of 0.5 to 7.5 KiB",
};

const LARGE: Load = Load {
    files: 8,
    sizes: (128 << 20, 128 << 20),
    words: "of 128 MiB",
};

const SHARED: Load = Load {
    files: 200,
    sizes: (10_000_000, 10_000_000),
    words: "of 10 MB",
};

/// All of them, in a mount namespace that ends with them.
///
/// # Errors
///
/// When file systems cannot be made here, and when a backup fails.
pub(crate) fn compare(scratch: &Path) -> Outcome<Vec<Comparison>> {
    if let Some(missing) = images::missing() {
        return Err(missing.into());
    }
    let figures = scratch.join("figures.json");
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(itself()?)
        .arg(FLAG)
        .arg(&figures)
        .env(images::APART, "1")
        .status()?;
    match status.success() {
        true => Ok(serde_json::from_slice(&fs::read(figures)?)?),
        false => Err(format!("in a mount namespace of its own: {status}").into()),
    }
}

/// The same, in that namespace.
///
/// # Errors
///
/// When a backup fails.
pub(crate) fn apart(figures: &Path) -> Outcome<()> {
    let found = [
        copies(Fs::Ext4, &SMALL)?,
        copies(Fs::Ext4, &LARGE)?,
        reflinks(Fs::Xfs, &SHARED)?,
        steps::walk(Fs::Ext4)?,
    ];
    Ok(fs::write(figures, serde_json::to_vec(&found)?)?)
}

fn copies(fs: Fs, load: &Load) -> Outcome<Comparison> {
    let room = Room::make(fs, load)?;
    let copy = Job::new(["cp".into(), "-a".into(), room.state(), room.copy()]);
    let [ours, theirs] = in_turns(
        ROUNDS,
        [
            Box::new(|| room.backup(Method::Copy)),
            Box::new(|| room.copying(&copy)),
        ],
    )?;
    Ok(Comparison {
        what: format!("backup by copy of {}", room.what(load)),
        lines: vec![
            Line::of("nixmig's own backup", &ours),
            Line::of("`cp -a`, then `syncfs`", &theirs).ratio_target(ours.ratio(&theirs), MOST),
        ],
    })
}

fn reflinks(fs: Fs, load: &Load) -> Outcome<Comparison> {
    let room = Room::make(fs, load)?;
    let words = ["cp".into(), "-a".into(), "--reflink=always".into()];
    let copy = Job::new(words.into_iter().chain([room.state(), room.copy()]));
    let [ours, theirs] = in_turns(
        ROUNDS,
        [
            Box::new(|| {
                room.image.remount();
                room.backup(Method::Reflink)
            }),
            Box::new(|| {
                room.image.remount();
                room.copying(&copy)
            }),
        ],
    )?;
    Ok(Comparison {
        what: format!(
            "backup by sharing data of {}, nothing of it in memory",
            room.what(load)
        ),
        lines: vec![
            Line::of("nixmig's own backup", &ours).time_target(&ours, LONGEST_REFLINK),
            Line::of("`cp -a --reflink=always`, then `syncfs`", &theirs).ratio(ours.ratio(&theirs)),
        ],
    })
}

/// A file system with a state directory and room for a backup.
struct Room {
    image: Image,
    kind: &'static str,
}

impl Room {
    fn make(fs: Fs, load: &Load) -> Outcome<Self> {
        let image = Image::make(fs, 4 << 30);
        let kind = name(&image);
        let room = Self { image, kind };
        let state = PathBuf::from(room.state());
        fs::create_dir_all(room.image.path().join("nixmig/backups"))?;
        // No byte is zero, so nothing can become a hole.
        let bytes: Vec<u8> = (0..load.sizes.1).map(|at| (at % 255) as u8 + 1).collect();
        let (least, most) = load.sizes;
        for file in 0..load.files {
            let directory = state.join((file / 100).to_string());
            fs::create_dir_all(&directory)?;
            let size = least + (file * 512) % (most - least + 512);
            File::create(directory.join(file.to_string()))?.write_all(&bytes[..size.min(most)])?;
        }
        room.flush()?;
        Ok(room)
    }

    fn state(&self) -> std::ffi::OsString {
        self.image.path().join("state").into()
    }

    fn copy(&self) -> std::ffi::OsString {
        self.image.path().join("copy").into()
    }

    fn what(&self, load: &Load) -> String {
        format!("{} files {}, {}", number(load.files), load.words, self.kind)
    }

    /// A whole backup as a step makes it: its place, the look at the room for it, the copy, the flush. It is removed again.
    fn backup(&self, method: Method) -> Outcome<Duration> {
        let directories = [self.state().into()];
        let backups = self.image.path().join("nixmig/backups");
        let begin = Instant::now();
        let spot = backup::place(&backups, &directories, "backup")?;
        spot.make()?;
        backup::space(&spot, &directories, &Watch::quiet())?;
        let manifest = backup::take(&spot, &directories, &Watch::quiet())?;
        let time = begin.elapsed();
        if manifest.method != method {
            return Err(format!("the backup was made by {:?}", manifest.method).into());
        }
        backup::remove(&spot)?;
        self.flush()?;
        Ok(time)
    }

    fn copying(&self, copy: &Job) -> Outcome<Duration> {
        let begin = Instant::now();
        copy.time()?;
        self.flush()?;
        let time = begin.elapsed();
        fs::remove_dir_all(self.copy())?;
        self.flush()?;
        Ok(time)
    }

    fn flush(&self) -> Outcome<()> {
        Ok(rustix::fs::syncfs(File::open(self.image.path())?)?)
    }
}

/// What a file system is, for people: its kind, and what is below it.
pub(crate) fn name(image: &Image) -> &'static str {
    let in_memory = image.path().starts_with("/dev/shm");
    match (image.fs(), in_memory) {
        (Fs::Ext4, true) => "on ext4 in an image in memory",
        (Fs::Ext4, false) => "on ext4 in an image on disk",
        (Fs::Xfs, true) => "on XFS in an image in memory",
        (Fs::Xfs, false) => "on XFS in an image on disk",
        (Fs::Btrfs, true) => "on btrfs in an image in memory",
        (Fs::Btrfs, false) => "on btrfs in an image on disk",
    }
}
