//! Owns the two disks of a world, one for the state and one for the record, and what a loss of power leaves of them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::images::{Fs, Image, SIZE};
use crate::world::World;

/// A world on disks of its own: first that of the state, then that of the record.
#[derive(Debug)]
pub(crate) struct Disks(RefCell<[Image; 2]>);

/// What the kernel wrote to a disk before the power went, though nobody asked for it. It may do so at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenBack {
    /// Nothing.
    Neither,
    /// All of the state.
    State,
    /// All of the record.
    Record,
}

impl WrittenBack {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Neither, Self::State, Self::Record];
}

/// Both disks as they were at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Copies([PathBuf; 2]);

impl Disks {
    /// Makes both, and mounts them. The record is always on ext4, as on most machines.
    pub(crate) fn make(base: &Path, fs: Fs) -> (Self, World) {
        let disks = [Image::make(fs, SIZE), Image::make(Fs::Ext4, SIZE)];
        let world = World::new(base, &disks[0].path(), &disks[1].path());
        (Self(RefCell::new(disks)), world)
    }

    /// Copies the disks when all is on them.
    pub(crate) fn keep(&self) -> Copies {
        self.0.borrow().iter().for_each(Image::remount);
        self.cut()
    }

    /// Copies the disks as they would be if the power went now, and the kernel had written one of them back of its own accord.
    pub(crate) fn cut_after(&self, written: WrittenBack) -> Copies {
        let disks = self.0.borrow();
        let disk = match written {
            WrittenBack::Neither => None,
            WrittenBack::State => Some(&disks[0]),
            WrittenBack::Record => Some(&disks[1]),
        };
        if let Some(disk) = disk {
            let status = Command::new("sync").arg("-f").arg(disk.path()).status();
            assert!(status.unwrap().success());
        }
        drop(disks);
        self.cut()
    }

    /// Copies the disks as they would be if the power went now.
    fn cut(&self) -> Copies {
        Copies(self.0.borrow_mut().each_mut().map(Image::copy_image))
    }

    /// Goes on with copies.
    pub(crate) fn insert(&self, Copies(copies): &Copies) {
        for (disk, copy) in self.0.borrow_mut().iter_mut().zip(copies) {
            disk.insert(copy);
        }
    }

    /// Goes on with copies that are not needed again.
    pub(crate) fn insert_last(&self, Copies(copies): Copies) {
        for (disk, copy) in self.0.borrow_mut().iter_mut().zip(copies) {
            disk.after_power_loss(copy);
        }
    }
}
