//! Trees that nobody thought of: whatever is there, and whatever happens to it, all of it comes back.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One thing that is made in, or done to, a directory that is chosen by number.
#[derive(Clone, Debug)]
enum Deed {
    Directory(Vec<u8>, u32),
    File {
        name: Vec<u8>,
        mode: u32,
        at: u64,
        data: Vec<u8>,
    },
    Special(Vec<u8>, bool),
    Link(Vec<u8>, Vec<u8>),
    Again(Vec<u8>, usize),
    Attribute(usize, Vec<u8>),
    Owner(usize, u32, u32),
    Time(usize, i64, u32),
    Remove(usize),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no separator", |byte| !matches!(byte, 0 | b'/'));
    let taken = [&b"."[..], b"..", b".nixmig", b"lost+found"];
    vec(byte, 1..20).prop_filter("a name of its own", move |name| !taken.contains(&name.as_slice()))
}

fn deed() -> impl Strategy<Value = Deed> {
    let (mode, data) = (0..0o10000_u32, || vec(any::<u8>(), 0..3000));
    prop_oneof![
        4 => (name(), mode.clone()).prop_map(|(name, mode)| Deed::Directory(name, mode)),
        6 => (name(), mode, 0..3_000_000_u64, data()).prop_map(|(name, mode, at, data)| Deed::File { name, mode, at, data }),
        1 => (name(), any::<bool>()).prop_map(|(name, fifo)| Deed::Special(name, fifo)),
        1 => (name(), name()).prop_map(|(name, text)| Deed::Link(name, text)),
        3 => (name(), any::<usize>()).prop_map(|(name, which)| Deed::Again(name, which)),
        1 => (any::<usize>(), data()).prop_map(|(which, value)| Deed::Attribute(which, value)),
        1 => (any::<usize>(), 0..70_000_u32, 0..70_000_u32).prop_map(|(which, user, group)| Deed::Owner(which, user, group)),
        1 => (any::<usize>(), 0..4_000_000_000_i64, 0..1_000_000_000_u32)
            .prop_map(|(which, seconds, rest)| Deed::Time(which, seconds, rest)),
        1 => any::<usize>().prop_map(Deed::Remove),
    ]
}

/// Does it, as far as it can be done.
fn commit(state: &Path, place: usize, deed: &Deed) {
    let all: Vec<PathBuf> = facts(state).into_keys().map(|path| state.join(path)).collect();
    let chosen = |which: usize| &all[which % all.len()];
    let directories: Vec<&PathBuf> = all
        .iter()
        .filter(|path| path.symlink_metadata().unwrap().is_dir())
        .collect();
    let at = |name: &[u8]| directories[place % directories.len()].join(OsString::from_vec(name.to_vec()));
    let permissions = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let _ = match deed {
        Deed::Directory(name, mode) => fs::create_dir(at(name)).and_then(|()| permissions(&at(name), *mode)),
        Deed::File {
            name,
            mode,
            at: offset,
            data,
        } => fs::File::create_new(at(name)).and_then(|file| {
            std::os::unix::fs::FileExt::write_all_at(&file, data, *offset)?;
            permissions(&at(name), *mode)
        }),
        Deed::Special(name, is_fifo) => {
            let kind = if *is_fifo {
                FileType::Fifo
            } else {
                FileType::Socket
            };
            rustix::fs::mknodat(CWD, at(name), kind, Mode::RUSR, 0).map_err(Into::into)
        }
        Deed::Link(name, text) => symlink(OsString::from_vec(text.clone()), at(name)),
        Deed::Again(name, which) => fs::hard_link(chosen(*which), at(name)),
        Deed::Attribute(which, value) => {
            rustix::fs::lsetxattr(chosen(*which), "user.random", value, XattrFlags::empty())
                .map_err(Into::into)
        }
        Deed::Owner(which, user, group) => {
            std::os::unix::fs::lchown(chosen(*which), Some(*user), Some(*group))
        }
        Deed::Time(which, seconds, rest) => {
            let time = rustix::fs::Timespec {
                tv_sec: *seconds,
                tv_nsec: (*rest).into(),
            };
            let times = rustix::fs::Timestamps {
                last_access: time,
                last_modification: time,
            };
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::utimensat(CWD, chosen(*which), &times, flags).map_err(Into::into)
        }
        Deed::Remove(which) if chosen(*which) == state => Ok(()),
        Deed::Remove(which) => {
            fs::remove_dir_all(chosen(*which)).or_else(|_| fs::remove_file(chosen(*which)))
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn all_of_it_comes_back(
        before in vec((any::<usize>(), deed()), 0..40),
        after in vec((any::<usize>(), deed()), 0..20),
    ) {
        // Others than root cannot read all that they make.
        if is_root() {
            let room = Room::new();
            let state = room.path("state");
            fs::create_dir(&state).unwrap();
            before.iter().for_each(|(place, deed)| commit(&state, *place, deed));
            let there = facts(&state);
            let directories = [state.clone()];
            let spot = room.spot(&directories, "random");
            space(&spot, &directories, &Watch::quiet()).unwrap();
            take(&spot, &directories, &Watch::quiet()).unwrap();
            assert_same(&there, &facts(&spot.directory().join("0")));
            after.iter().for_each(|(place, deed)| commit(&state, *place, deed));
            restore(&spot, &Watch::quiet()).unwrap();
            assert_same(&there, &facts(&state));
            remove(&spot).unwrap();
        }
    }
}
