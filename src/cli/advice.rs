//! Owns what to do about a record that cannot be read or written: one sentence a kind.

use nixmig::machine::MachineError;
use nixmig::record::RecordError;

/// What to do about it.
pub(super) fn on_record(error: &RecordError) -> String {
    let fixed = match error {
        RecordError::Symlink(_) => {
            "nixmig follows no links to its record: put the directory or file itself there, or name where it is with `--state-dir`."
        }
        RecordError::Kind { .. } | RecordError::Foreign(_) => {
            "Move it away, or name nixmig's own directory with `--state-dir`."
        }
        RecordError::Overlaid(_) => "Name a directory that all of them see with `--guards`.",
        RecordError::Memory { .. } => "Name a directory on a disk with `--state-dir`.",
        RecordError::NoParent(_) => "Make that directory, or name another with `--state-dir`.",
        RecordError::ReadOnly(_) => "Mount it so that it can be written to.",
        RecordError::Denied(_) => "Run nixmig as root.",
        RecordError::Full(_) => {
            "Make space there. Backups of steps that are done may be what fills it: see `nixmig status`."
        }
        RecordError::Busy(_) => "Try again when the other command is done.",
        RecordError::Corrupt { .. } => {
            "`nixmig record rebuild` makes it anew of what it can still read, GC roots, backups and stamps, and keeps the broken \
             one beside it."
        }
        RecordError::Newer { program: None, .. } => "Run the nixmig of a newer generation.",
        RecordError::Absent(_) => {
            "Name another directory with `--state-dir`; `nixmig migrate` makes a record."
        }
        RecordError::Sound(_) => "Nothing has to be rebuilt.",
        RecordError::NoGcRoots(_) => "Name the directory of nixmig's GC roots with `--gc-roots`.",
        RecordError::NotInStore(_) => "See that the generation is whole: `nix-store --verify-path`.",
        RecordError::Event(_) => "Look at `nixmig status`, and try again.",
        RecordError::Owner { path, .. } => {
            return format!("Give it to root: `chown root {}`.", path.display());
        }
        RecordError::Mode { path, .. } => {
            return format!(
                "Take that from them: `chmod go-w {}`. Then see with `nixmig history` that nobody wrote to it.",
                path.display()
            );
        }
        RecordError::Newer {
            program: Some(program),
            ..
        } => {
            return format!("Run the newer nixmig that was kept: {}.", program.display());
        }
        RecordError::Io { .. } | RecordError::Sqlite { .. } => "See what keeps it from being used.",
    };
    fixed.to_owned()
}

/// What to do where a machine cannot be looked at.
pub(super) fn on_machine(error: &MachineError) -> String {
    match error {
        MachineError::Record(error) => on_record(error),
        MachineError::Previous { .. } => {
            "Name another generation with `--from`, or say what the state is on with `nixmig stamp SERVICE VERSION`.".to_owned()
        }
        MachineError::Unmounted { mount, .. } => format!("Mount it, with `mount {}` or by starting its unit.", mount.display()),
        MachineError::Path(_) | MachineError::Target(_) | MachineError::Mounts(_) => {
            "See that it is there and can be read; as root, if need be.".to_owned()
        }
    }
}
