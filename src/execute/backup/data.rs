//! Owns the data of one file: shared with the copy where the file system can, else copied without its holes.

use std::os::fd::AsFd;

use rustix::fs::{self, SeekFrom, Statx};
use rustix::io::Errno;

/// How much is copied between two looks at whether to stop.
const CHUNK: u64 = 16 << 20;

/// How much is read at once where the system cannot copy by itself, and what is so small that reading it is faster.
const BUFFER: usize = 128 << 10;

/// Why a file was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A call failed.
    Call(Errno),
    /// It has less than it had.
    Changed,
    /// Somebody asked to stop.
    Stopped,
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Self {
        Self::Call(error)
    }
}

/// Copies data, and remembers what the two file systems can.
#[derive(Debug)]
pub(super) struct Data {
    /// Whether they may share data.
    shares: bool,
    /// Whether the system may copy without us.
    offloads: bool,
    buffer: Vec<u8>,
    /// Files whose data were shared, and files with data that were copied.
    pub(super) shared: u64,
    pub(super) copied: u64,
}

impl Data {
    pub(super) fn new() -> Self {
        Self {
            shares: true,
            offloads: true,
            buffer: vec![0; BUFFER],
            shared: 0,
            copied: 0,
        }
    }

    /// Gives an empty file the data of another, telling of the bytes as they are copied; `tick` says whether to go on.
    pub(super) fn copy(
        &mut self,
        from: impl AsFd,
        seen: &Statx,
        to: impl AsFd,
        tick: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Fault> {
        let size = seen.stx_size;
        if size == 0 {
            return Ok(());
        }
        if self.shares {
            match fs::ioctl_ficlone(&to, &from) {
                Ok(()) => {
                    self.shared += 1;
                    return step(tick, size);
                }
                // Never between these two file systems.
                Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::NOSYS) => self.shares = false,
                // Not this file: one with other flags, one that is swapped to.
                Err(Errno::INVAL | Errno::TXTBSY | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.copied += 1;
        if seen.stx_blocks.saturating_mul(512) >= size {
            return self.range(&from, &to, 0, size, tick);
        }
        let mut at = 0;
        while at < size {
            let data = match fs::seek(&from, SeekFrom::Data(at)) {
                // The rest is a hole.
                Err(Errno::NXIO) => break,
                // A file system that knows no holes.
                Err(Errno::INVAL) => {
                    self.range(&from, &to, at, size, tick)?;
                    break;
                }
                data => data?.min(size),
            };
            let hole = match fs::seek(&from, SeekFrom::Hole(data)) {
                Err(Errno::NXIO) => break,
                hole => hole?.min(size),
            };
            self.range(&from, &to, data, hole, tick)?;
            at = hole;
        }
        fs::ftruncate(&to, size)?;
        step(tick, 0)
    }

    fn range(
        &mut self,
        from: impl AsFd,
        to: impl AsFd,
        start: u64,
        end: u64,
        tick: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Fault> {
        let mut at = start;
        while at < end {
            let wanted = (end - at).min(CHUNK);
            let count = match self.offloads && end - start > BUFFER as u64 {
                true => self.offload(&from, &to, at, wanted)?,
                false => self.through_buffer(&from, &to, at, wanted)?,
            };
            if count == 0 {
                return Err(Fault::Changed);
            }
            at += count;
            step(tick, count)?;
        }
        Ok(())
    }

    fn offload(&mut self, from: impl AsFd, to: impl AsFd, at: u64, wanted: u64) -> Result<u64, Errno> {
        let (mut source, mut target) = (at, at);
        // No chunk is larger than an address.
        let length = usize::try_from(wanted).unwrap_or(usize::MAX);
        match fs::copy_file_range(&from, Some(&mut source), &to, Some(&mut target), length) {
            Ok(0) => self.through_buffer(from, to, at, wanted),
            Ok(count) => Ok(count as u64),
            Err(Errno::INTR) => Ok(self.through_buffer(from, to, at, wanted)?),
            Err(
                Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::TXTBSY,
            ) => {
                self.offloads = false;
                self.through_buffer(from, to, at, wanted)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies one buffer's worth; 0 at the end of the file.
    fn through_buffer(&mut self, from: impl AsFd, to: impl AsFd, at: u64, wanted: u64) -> Result<u64, Errno> {
        let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(BUFFER);
        let count = retry(|| rustix::io::pread(&from, &mut self.buffer[..length], at))?;
        let mut written = 0;
        while written < count {
            let rest = &self.buffer[written..count];
            written += retry(|| rustix::io::pwrite(&to, rest, at + written as u64))?;
        }
        Ok(count as u64)
    }
}

fn step(tick: &mut dyn FnMut(u64) -> bool, count: u64) -> Result<(), Fault> {
    match tick(count) {
        true => Ok(()),
        false => Err(Fault::Stopped),
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
