//! Owns what Nix is asked to evaluate. Reads through `nix eval` alone: never a shell, never a build of the system.

mod decode;
mod error;
mod nix;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;

pub use self::decode::{Answer, DecodeError, Missing, MissingKind, Projection, decode};
pub use self::error::EvaluationError;
use super::ReadOptions;
use crate::model::{Generation, Kind};
use crate::process::{Output, ProcessError, Request, Supervisor};

/// A system that Nix evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Where the system's configuration comes from.
    pub what: What,
    /// Which system inside it is meant, outermost first; none is the system itself.
    pub inside: Vec<Inside>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An entry of a flake's `nixosConfigurations`: `.#atlas`.
    Flake {
        /// The flake, as Nix takes it: `.`, `github:owner/repository`.
        reference: String,
        /// What stands behind the `#`: the entry's name, dots and all, without quotes, or with `nixosConfigurations.` before.
        attribute: String,
    },
    /// What a file evaluates to: `-f FILE [ATTRIBUTE]`.
    File {
        /// The file, or a directory with a `default.nix`.
        file: PathBuf,
        /// An attribute path in Nix's syntax to a system or to its `config`.
        attribute: Option<String>,
    },
    /// A file with a NixOS configuration, `./configuration.nix`, read with `<nixpkgs/nixos>`.
    Configuration {
        /// The file.
        file: PathBuf,
    },
}

/// A system inside a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// `specialisation.<name>`.
    Specialisation(String),
    /// `containers.<name>`.
    Container(String),
}

/// What is evaluated, and what the user called it.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    evaluation: &'a Evaluation,
    label: &'a str,
}

/// Asks Nix. All processes of one reading end together.
struct Reader<'a> {
    program: &'a Path,
    options: &'a ReadOptions,
    supervisor: Supervisor,
}

/// Reads one system.
///
/// # Errors
///
/// See [`EvaluationError`].
pub fn read(
    evaluation: &Evaluation,
    label: &str,
    options: &ReadOptions,
) -> Result<Generation, EvaluationError> {
    let reader = Reader::new(Path::new("nix"), label, options)?;
    reader.read(Side { evaluation, label })
}

/// Reads two systems, an evaluation and its label each: those of one flake in one process, others at once.
///
/// # Errors
///
/// See [`EvaluationError`]; the error names the side.
pub fn read_two(
    old: (&Evaluation, &str),
    new: (&Evaluation, &str),
    options: &ReadOptions,
) -> Result<[Generation; 2], EvaluationError> {
    let side = |(evaluation, label)| Side { evaluation, label };
    let reader = Reader::new(Path::new("nix"), old.1, options)?;
    reader.read_two(side(old), side(new))
}

impl<'a> Reader<'a> {
    fn new(program: &'a Path, label: &str, options: &'a ReadOptions) -> Result<Self, EvaluationError> {
        let supervisor = Supervisor::new().map_err(|error| EvaluationError::Process {
            label: label.to_owned(),
            command: program.display().to_string(),
            problem: error.into(),
        })?;
        Ok(Self {
            program,
            options,
            supervisor,
        })
    }

    fn read(&self, side: Side<'_>) -> Result<Generation, EvaluationError> {
        let [generation] = self.evaluate(&side.evaluation.what, [side])?;
        Ok(generation)
    }

    fn read_two(&self, old: Side<'_>, new: Side<'_>) -> Result<[Generation; 2], EvaluationError> {
        if old.evaluation.shares_process_with(new.evaluation) {
            match self.evaluate(&old.evaluation.what, [old, new]) {
                // Nix does not say on whose account it failed: each side alone tells.
                Err(EvaluationError::Failed { .. }) => {}
                result => return result,
            }
        }
        thread::scope(|scope| {
            let read = |side| {
                let result = self.read(side);
                if result.is_err() {
                    self.supervisor.cancel();
                }
                result
            };
            let other = scope.spawn(move || read(new));
            let old = read(old);
            let new = match other.join() {
                Ok(new) => new,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            match (old, new) {
                (Ok(old), Ok(new)) => Ok([old, new]),
                // What was ended because the other failed is not what failed.
                (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
                (Err(old), Err(new)) => Err(if old.is_cancelled() { new } else { old }),
            }
        })
    }

    /// Evaluates systems of one origin in one process.
    fn evaluate<const N: usize>(
        &self,
        origin: &What,
        sides: [Side<'_>; N],
    ) -> Result<[Generation; N], EvaluationError> {
        let label = sides.map(|side| side.label).join("` and `");
        let systems = sides.map(|side| side.evaluation);
        let mut notes = Vec::new();
        let mut request = nix::request(self.program, origin, &systems, self.options, true);
        let mut output = self.run(&request, &label)?;
        let mut words = nix::words(&output.stderr);
        if !output.status.success() && nix::wants_to_write(&words) {
            notes.push(
                "Nix could not evaluate it without writing to its store, so it was evaluated once more and may have \
                 written there."
                    .to_owned(),
            );
            request = nix::request(self.program, origin, &systems, self.options, false);
            output = self.run(&request, &label)?;
            words = nix::words(&output.stderr);
        }
        let command = || request.display();
        // Nix 2.8 writes half a document before it fails, so what it wrote counts only when it did not.
        if !output.status.success() {
            if words.is_empty() {
                words = format!("it said nothing and ended with {}", output.status);
            }
            return Err(EvaluationError::Failed {
                label,
                command: command(),
                words,
            });
        }
        let undecoded = |problem| EvaluationError::Decode {
            label: label.clone(),
            command: command(),
            problem,
        };
        let answers = decode(&output.stdout).map_err(undecoded)?;
        let found = answers.len();
        let answers: [Answer; N] = answers
            .try_into()
            .map_err(|_| undecoded(DecodeError::Count { expected: N, found }))?;
        let mut generations = sides.map(Side::empty);
        for ((side, generation), answer) in sides.iter().zip(&mut generations).zip(answers) {
            match answer {
                Answer::System(projection) => projection.fill(generation),
                Answer::Missing(missing) => {
                    return Err(EvaluationError::Missing {
                        label: side.label.to_owned(),
                        missing,
                    });
                }
            }
            generation.notes.clone_from(&notes);
        }
        Ok(generations)
    }

    fn run(&self, request: &Request, label: &str) -> Result<Output, EvaluationError> {
        let label = || label.to_owned();
        self.supervisor.run(request).map_err(|problem| match problem {
            ProcessError::NotFound => EvaluationError::NoNix { label: label() },
            ProcessError::TimedOut(after) => EvaluationError::TimedOut {
                label: label(),
                command: request.display(),
                after,
            },
            ProcessError::Interrupted(signal) => EvaluationError::Interrupted { signal },
            problem => EvaluationError::Process {
                label: label(),
                command: request.display(),
                problem,
            },
        })
    }
}

impl Side<'_> {
    fn empty(self) -> Generation {
        let mut generation = Generation::new(self.label, Kind::Evaluation);
        generation.identity = Some(self.evaluation.to_string());
        generation
    }
}

impl Evaluation {
    /// Whether one process of Nix can evaluate both.
    fn shares_process_with(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (What::Flake { reference, .. }, What::Flake { reference: other, .. }) => reference == other,
            _ => false,
        }
    }
}

impl fmt::Display for Evaluation {
    /// What is read, in full: `.#nixosConfigurations."atlas"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Flake { reference, attribute } => {
                write!(
                    f,
                    "{reference}#nixosConfigurations.{}",
                    nix::string(nix::host(attribute))
                )?;
            }
            What::File { file, attribute } => {
                write!(f, "{}", file.display())?;
                if let Some(attribute) = attribute {
                    write!(f, " {attribute}")?;
                }
            }
            What::Configuration { file } => write!(f, "{}", file.display())?,
        }
        self.inside.iter().try_for_each(|inside| match inside {
            Inside::Specialisation(name) => write!(f, "/specialisation/{name}"),
            Inside::Container(name) => write!(f, "/containers/{name}"),
        })
    }
}

#[cfg(test)]
mod tests;
