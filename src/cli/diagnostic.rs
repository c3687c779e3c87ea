//! Owns the way from an error to words on stderr: what failed, where, what was left as it was, what to do next. The one place
//! that maps errors to diagnostics.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;

use anstyle::AnsiColor;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use nixmig::execute::WalkError;
use nixmig::execute::units::UnitsError;
use nixmig::generation::ReadError;
use nixmig::generation::closure::ClosureError;
use nixmig::generation::gate::GateError;
use nixmig::machine::MachineError;
use nixmig::migrate::{MigrateError, TakeError};
use nixmig::model::{ServiceName, Version};
use nixmig::record::{LockError, RecordError};
use nixmig::report::escape;
use textwrap::{WordSeparator, WordSplitter};

use super::{advice, output};

/// What every failure of a command that only reads leaves behind.
const UNTOUCHED: &str = "Nothing was changed.";

/// How many names of what there is are listed.
const LISTED: usize = 30;

/// Why a command could not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// A generation cannot be read.
    Read {
        /// Which, as a subject: ``the old generation, `1`,``.
        subject: String,
        /// Why.
        error: Box<ReadError>,
    },
    /// The machine cannot be looked at.
    Machine(Box<MachineError>),
    /// The record cannot be used.
    Record(Box<RecordError>),
    /// `--service` names what is not there.
    UnknownService {
        /// What was named.
        name: ServiceName,
        /// What could be named.
        there: Vec<ServiceName>,
    },
    /// A word names a generation that is not built.
    NotBuilt(String),
    /// A built generation cannot be read.
    Closure {
        /// The word that names it.
        label: String,
        /// Why.
        error: Box<ClosureError>,
    },
    /// A definition cannot be read any more, or not be understood.
    Definition(Box<MigrateError>),
    /// `--root` was given to a command that changes this machine.
    OtherRoot,
    /// Signals cannot be taken over.
    Signals(io::Error),
    /// systemd does not read its units again.
    Reload(UnitsError),
    /// It cannot be told which program this is.
    Program(io::Error),
    /// Another is at it.
    Lock(Box<TakeError>),
    /// What was to be done with one service was not: `stamped`, `resumed`, `forgotten`.
    Walk {
        /// What was to be done.
        done: &'static str,
        /// Why it was not.
        error: Box<WalkError>,
    },
    /// No history has the version that was named.
    NoSuchVersion {
        /// The service.
        service: ServiceName,
        /// The versions that there are.
        there: Vec<Version>,
    },
    /// `head` was given where only a version tells.
    AcceptedHead,
    /// Stdout cannot be written to.
    Output(io::Error),
    /// A file cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
        /// Whether others were written before it.
        after_others: bool,
    },
}

/// A failure in words, as miette takes it.
struct Diagnosis<'a> {
    message: String,
    causes: Option<&'a (dyn std::error::Error + 'static)>,
    help: String,
    source: Option<Source<'a>>,
    labels: Vec<LabeledSpan>,
    left: Cow<'static, str>,
}

/// The text that labels point into.
enum Source<'a> {
    Lent(&'a dyn SourceCode),
    Named(NamedSource<String>),
}

impl Diagnosis<'_> {
    fn new(message: String, help: String) -> Self {
        Self {
            message,
            causes: None,
            help,
            source: None,
            labels: Vec::new(),
            left: UNTOUCHED.into(),
        }
    }
}

fn diagnose(failure: &Failure) -> Diagnosis<'_> {
    match failure {
        Failure::Read { subject, error } => {
            let message = format!("{subject} cannot be read");
            Diagnosis {
                causes: Some(error),
                source: match error.gate() {
                    Some(gate) => in_gate(gate),
                    None => error.source_code().map(Source::Lent),
                },
                labels: error.labels().into_iter().flatten().collect(),
                ..Diagnosis::new(
                    message,
                    error.help().map(|help| help.to_string()).unwrap_or_default(),
                )
            }
        }
        Failure::Machine(error) => match &**error {
            MachineError::Record(error) => record(error),
            error => Diagnosis {
                causes: Some(error),
                ..Diagnosis::new(
                    "the machine cannot be looked at".to_owned(),
                    advice::on_machine(error),
                )
            },
        },
        Failure::Record(error) => record(error),
        Failure::UnknownService { name, there } => {
            let help = match there.as_slice() {
                [] => "Neither declared nor well-known services were found at all.".to_owned(),
                there => format!("There is {}.", list(there)),
            };
            Diagnosis::new(format!("there is no service `{name}`"), help)
        }
        Failure::NotBuilt(label) => Diagnosis::new(
            format!("the generation, `{label}`, is not built, and only what is built can be migrated to"),
            "Build it, and name its store path, `./result`, or its number in the profile.".to_owned(),
        ),
        Failure::Closure { label, error } => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                format!("the generation, `{label}`, cannot be read"),
                error
                    .help()
                    .unwrap_or("See that it is there and whole.")
                    .to_owned(),
            )
        },
        Failure::Definition(error) => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                "a definition that is needed cannot be read".to_owned(),
                "See that the generation is whole, and run it again.".to_owned(),
            )
        },
        Failure::OtherRoot => Diagnosis::new(
            "state is migrated only on its own machine, and `--root` names another".to_owned(),
            "Run it there; `nixmig plan --root` says from here what it would do.".to_owned(),
        ),
        Failure::Reload(error) => Diagnosis {
            causes: Some(error),
            left: "The guard is there, and systemd does not know it yet.".into(),
            ..Diagnosis::new(
                "systemd did not read its units again".to_owned(),
                "Have it do so with `systemctl daemon-reload`.".to_owned(),
            )
        },
        Failure::Signals(error) => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                "signals cannot be taken over".to_owned(),
                "Run it again.".to_owned(),
            )
        },
        Failure::Program(error) => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                "it cannot be told where this program is".to_owned(),
                "See that /proc is mounted.".to_owned(),
            )
        },
        Failure::Lock(error) => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                "the service cannot be worked on now".to_owned(),
                "Run it again when the other is done: `nixmig status` shows what goes on.".to_owned(),
            )
        },
        Failure::Walk { done, error } => walk(done, error),
        Failure::NoSuchVersion { service, there } => {
            let help = match there.as_slice() {
                [] => format!(
                    "No generation of this machine declares `{service}`; name one that does with `--generation`."
                ),
                there => format!("There is {}.", list(there)),
            };
            Diagnosis::new(format!("no history of `{service}` has that version"), help)
        }
        Failure::AcceptedHead => Diagnosis::new(
            "after a failure only a version tells what the state is on, not `head`".to_owned(),
            "Name the version.".to_owned(),
        ),
        Failure::Output(error) => Diagnosis {
            causes: Some(error),
            ..Diagnosis::new(
                "the report could not be written to stdout".to_owned(),
                "See where stdout leads: a full disk, a closed pipe.".to_owned(),
            )
        },
        Failure::Write {
            path,
            error,
            after_others,
        } => Diagnosis {
            causes: Some(error),
            left: match after_others {
                true => "Pages that were written before stay.".into(),
                false => UNTOUCHED.into(),
            },
            ..Diagnosis::new(
                format!("`{}` could not be written", path.display()),
                "Name a directory that is there and that you may write to.".to_owned(),
            )
        },
    }
}

fn record(error: &RecordError) -> Diagnosis<'_> {
    Diagnosis {
        causes: Some(error),
        ..Diagnosis::new(
            "the record of this machine cannot be used".to_owned(),
            advice::on_record(error),
        )
    }
}

/// A gate's text with its name, which the error itself carries beside the text.
fn in_gate(gate: &GateError) -> Option<Source<'_>> {
    let text = gate.text.clone()?;
    Some(Source::Named(NamedSource::new(&gate.file, text)))
}

fn list<T: fmt::Display>(names: &[T]) -> String {
    let shown: Vec<_> = names.iter().take(LISTED).map(T::to_string).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl Failure {
    /// The machine cannot be looked at.
    pub(super) fn machine(error: MachineError) -> Self {
        Self::Machine(Box::new(error))
    }

    /// The record cannot be used.
    pub(super) fn record(error: RecordError) -> Self {
        Self::Record(Box::new(error))
    }

    /// Another is at it.
    pub(super) fn lock(error: LockError) -> Self {
        Self::take(error.into())
    }

    /// Another is at it, or may be.
    pub(super) fn take(error: TakeError) -> Self {
        match error {
            TakeError::Lock(LockError::Record(error)) => Self::record(error),
            error => Self::Lock(Box::new(error)),
        }
    }

    /// What was to be done with one service was not.
    pub(super) fn walk(done: &'static str, error: WalkError) -> Self {
        let error = Box::new(error);
        Self::Walk { done, error }
    }

    /// Whether it waits for somebody to decide.
    pub(super) fn needs_resume(&self) -> bool {
        matches!(self, Self::Walk { error, .. } if error.needs_resume())
    }

    /// A built generation cannot be read.
    pub(super) fn closure(word: &OsStr, error: ClosureError) -> Self {
        Self::Closure {
            label: word.display().to_string(),
            error: Box::new(error),
        }
    }

    /// What is wrong with the record, if that is what failed.
    pub(super) fn of_record(&self) -> Option<&RecordError> {
        match self {
            Self::Record(error) => Some(error),
            Self::Machine(error) => match &**error {
                MachineError::Record(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// The signal that ended the command, if one did.
    pub(super) fn signal(&self) -> Option<i32> {
        match self {
            Self::Read { error, .. } => match &**error {
                ReadError::Evaluation(error) => error.signal(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why a path was not walked to its end.
fn walk<'e>(done: &str, error: &'e WalkError) -> Diagnosis<'e> {
    Diagnosis {
        causes: Some(&*error.what),
        left: error.left.to_string().into(),
        ..Diagnosis::new(format!("{} was not {done}", error.service), error.next())
    }
}

/// Why a path was not walked, as text for stderr, with ANSI colours.
pub(super) fn render_walk(error: &WalkError) -> String {
    draw(&walk("migrated", error))
}

/// A failure as text for stderr, with ANSI colours.
pub(super) fn render(failure: &Failure) -> String {
    draw(&diagnose(failure))
}

/// miette draws without colours, so that every control character in what it drew is foreign and can be escaped; the colours
/// are put on afterwards.
fn draw(diagnosis: &Diagnosis<'_>) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(output::width())
        .with_links(false)
        // A path that is broken over lines cannot be copied.
        .with_break_words(false)
        .with_word_separator(WordSeparator::AsciiSpace)
        .with_word_splitter(WordSplitter::NoHyphenation)
        .with_context_lines(2)
        .with_footer(diagnosis.left.clone().into_owned());
    let mut drawn = String::new();
    if handler.render_report(&mut drawn, diagnosis).is_err() {
        // A span that does not fit its source: the words alone are still right.
        drawn = format!("  × {}\n  help: {}\n", diagnosis.message, diagnosis.help);
    }
    let mut text = String::new();
    for line in drawn.trim_matches('\n').split('\n') {
        let line = escape(line);
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        let marks = [("×", AnsiColor::Red), ("help:", AnsiColor::Cyan)];
        let mark = marks.iter().find(|(mark, _)| rest.starts_with(mark));
        text.push_str(indent);
        match mark {
            Some((mark, colour)) => {
                let style = colour.on_default().bold();
                text.push_str(&format!("{style}{mark}{style:#}{}", &rest[mark.len()..]));
            }
            None => text.push_str(rest),
        }
        text.push('\n');
    }
    text
}

// What miette asks of an error; nobody reads it.
impl fmt::Debug for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnosis<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.causes
    }
}

impl Diagnostic for Diagnosis<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| match source {
            Source::Lent(source) => *source,
            Source::Named(source) => source as &dyn SourceCode,
        })
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
