//! Owns what can be said on the command line: clap's types, and the texts of `--help`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use nixmig::generation::ReadOptions;
use nixmig::model::ServiceName;
use nixmig::record::Place;
use nixmig::report;

use super::exit;

mod change;
mod lazily;

use lazily::Lazily;

pub(super) use change::{
    Action, Check, Forget, Gate, Guard, Migrate, Rebuild, RecordCommand, Resume, Stamp, Stamped, Step,
};

/// nixmig's command line.
#[derive(Debug, Parser)]
#[command(
    name = "nixmig",
    version,
    about = "Migrations for the state of NixOS services",
    long_about = "Migrations for the state of NixOS services.\n\nReads the histories of migrations that two system \
                  generations declare, and says which steps bring the state of every service from the one to the other.",
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true
)]
pub(super) struct Cli {
    /// Write no colours; nor are there any with NO_COLOR set, or to what is no terminal
    #[arg(long, global = true)]
    pub(super) no_color: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    /// The command with the texts that are made rather than written.
    pub(super) fn described() -> clap::Command {
        let mut command = Self::command();
        let guide = guide();
        for name in ["diff", "show", "plan", "check", "migrate"] {
            command = command.mut_subcommand(name, |command| command.after_long_help(&guide));
        }
        command.after_long_help(guide)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say which steps bring state from OLD to NEW, and every danger on the way
    Diff(Lazily<Diff>),
    /// Say what one generation declares
    Show(Lazily<Show>),
    /// Say which steps this machine's state takes when a generation starts
    Plan(Lazily<Plan>),
    /// Say what every service's state is on, and what needs a hand
    Status(Lazily<Status>),
    /// Say what happened to the state of this machine, newest last
    History(Lazily<History>),
    /// List what this machine can start, and whether its state may go there
    Generations(Lazily<Generations>),
    /// Say before a switch whether the state of this machine may follow, as NixOS asks
    Check(Lazily<Check>),
    /// Bring the state of this machine to what a generation expects
    Migrate(Lazily<Migrate>),
    /// Bring the state of one service to what the generation that is active expects: what a gate's unit runs
    #[command(hide = true)]
    Gate(Lazily<Gate>),
    /// Keep services from state that a generation's programs were not made for: what guards run
    #[command(hide = true)]
    Guard(Lazily<Guard>),
    /// Say what the state of a service is on, without running anything
    Stamp(Lazily<Stamp>),
    /// Go on after a step that failed or was interrupted
    Resume(Lazily<Resume>),
    /// Forget all that is remembered of a service; its state stays as it is
    Forget(Lazily<Forget>),
    /// Run one step of a run that is recorded: what a step's unit runs
    #[command(hide = true)]
    Step(Lazily<Step>),
    /// Look after the record
    #[command(subcommand, arg_required_else_help = true)]
    Record(RecordCommand),
    /// Print the completions of a shell
    Completions(Lazily<Completions>),
    /// Print the manual page, or write one for every command
    Man(Lazily<Man>),
}

/// `nixmig diff`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Diff {
    /// The generation that ran (a reference, see --help)
    #[arg(long_help = "The generation that ran, as a reference: see below", value_hint = ValueHint::AnyPath)]
    pub(super) old: OsString,
    /// The generation that is to run; left out, the whole of --file
    #[arg(value_hint = ValueHint::AnyPath, required_unless_present = "file")]
    pub(super) new: Option<OsString>,
    /// End with 4 where anything is refused, else with 3 where there are steps
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) read: Read,
    #[command(flatten)]
    pub(super) report: Report,
}

/// `nixmig show`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Show {
    /// The generation (a reference, see --help); left out, the whole of --file
    #[arg(
        value_name = "GEN",
        long_help = "The generation, as a reference: see below; left out, the whole of --file",
        value_hint = ValueHint::AnyPath,
        required_unless_present = "file"
    )]
    pub(super) generation: Option<OsString>,
    #[command(flatten)]
    pub(super) read: Read,
    #[command(flatten)]
    pub(super) report: Report,
}

/// `nixmig plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The generation that is to start (a reference, see --help); left out, the one that runs
    #[arg(
        value_name = "GEN",
        long_help = "The generation that is to start, as a reference: see below; left out, the one that runs",
        value_hint = ValueHint::AnyPath
    )]
    pub(super) generation: Option<OsString>,
    /// The generation that ran last, for state that the record does not know; left out, the one that runs, or ran before it
    #[arg(long, value_name = "REF", value_hint = ValueHint::AnyPath)]
    pub(super) from: Option<OsString>,
    /// End with 4 where anything is refused, else with 3 where there are steps
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) read: Read,
    #[command(flatten)]
    pub(super) memory: Memory,
    #[command(flatten)]
    pub(super) report: Report,
}

/// `nixmig status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) machine: Machine,
    #[command(flatten)]
    pub(super) list: List,
}

/// `nixmig history`.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Only what happened to this service
    #[arg(value_name = "SERVICE")]
    pub(super) service: Option<ServiceName>,
    /// Only the newest so many events
    #[arg(long, value_name = "NUMBER")]
    pub(super) last: Option<usize>,
    /// Show the last lines of what scripts said
    #[arg(long)]
    pub(super) output: bool,
    #[command(flatten)]
    pub(super) machine: Machine,
    #[command(flatten)]
    pub(super) list: List,
}

/// `nixmig generations`.
#[derive(Debug, Args)]
pub(super) struct Generations {
    #[command(flatten)]
    pub(super) machine: Machine,
    #[command(flatten)]
    pub(super) list: List,
}

/// A machine: its generations and its memory.
#[derive(Debug, Args)]
pub(super) struct Machine {
    #[command(flatten)]
    pub(super) below: Below,
    #[command(flatten)]
    pub(super) memory: Memory,
}

/// How a list is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(super) struct List {
    /// How to write it
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// For people
    Text,
    /// For programs: one document as docs/schema has it
    Json,
}

/// `nixmig completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// `nixmig man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Where to write a page for every command, instead of printing the first
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) directory: Option<PathBuf>,
}

/// How generations are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Read {
    /// Take references as attributes of this Nix file; one that is left out is the whole file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    below: Below,
    /// Give an evaluation up after this long; without, it may take any time
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

/// Where the generations of a machine are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Below {
    /// Read `current`, profiles and store paths below another root directory
    #[arg(long, value_name = "DIR", default_value = "/", value_hint = ValueHint::DirPath)]
    root: PathBuf,
    /// The profile whose generations numbers name
    #[arg(long, value_name = "PATH", default_value = "/nix/var/nix/profiles/system", value_hint = ValueHint::AnyPath)]
    profile: PathBuf,
}

const STATE_DIR: &str = "/var/lib/nixmig";
const GC_ROOTS: &str = "/nix/var/nix/gcroots/nixmig";
const GUARDS: &str = "/etc/systemd/system.control";

/// Where the memory of a machine is. Below --root, as all that is the machine's.
#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
pub(super) struct Memory {
    /// The directory of the record and of backups
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, value_hint = ValueHint::DirPath, hide_short_help = true)]
    state_dir: PathBuf,
    /// The directory of what the garbage collector keeps for the way back
    #[arg(long, value_name = "DIR", default_value = GC_ROOTS, value_hint = ValueHint::DirPath, hide_short_help = true)]
    gc_roots: PathBuf,
    /// The directory of the guards of services, which systemd reads before any generation's units
    #[arg(long, value_name = "DIR", default_value = GUARDS, value_hint = ValueHint::DirPath, hide_short_help = true)]
    guards: PathBuf,
    /// Believe the clock, though the record's last event is more than an hour ahead of it
    #[arg(long, hide_short_help = true)]
    pub(super) clock_is_right: bool,
}

/// How a report is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(super) struct Report {
    /// Only this service; may be given several times
    #[arg(long = "service", value_name = "NAME")]
    pub(super) services: Vec<ServiceName>,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Show the scripts in full
    #[arg(long)]
    scripts: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one document as docs/schema has it
    Json,
    /// For a comment on a pull request
    Markdown,
}

impl Read {
    /// The same for the readers.
    pub(super) fn options(&self, report: &Report) -> ReadOptions {
        ReadOptions {
            scripts: report.scripts,
            timeout: self.timeout,
            ..self.below.options()
        }
    }

    /// Where the generations of the machine are.
    pub(super) fn below(&self) -> &Below {
        &self.below
    }
}

impl Below {
    /// This machine's own.
    pub(super) fn own() -> Self {
        let ReadOptions { root, profile, .. } = ReadOptions::default();
        Self { root, profile }
    }

    /// The same for the readers, which show no scripts.
    pub(super) fn options(&self) -> ReadOptions {
        ReadOptions {
            root: self.root.clone(),
            profile: self.profile.clone(),
            ..ReadOptions::default()
        }
    }
}

impl Memory {
    /// This machine's own.
    pub(super) fn own() -> Self {
        Self {
            state_dir: STATE_DIR.into(),
            gc_roots: GC_ROOTS.into(),
            guards: GUARDS.into(),
            clock_is_right: false,
        }
    }

    /// The same for the record.
    pub(super) fn place(&self, below: &Below) -> Place {
        let inside = |path: &Path| match path.strip_prefix("/") {
            Ok(path) => below.root.join(path),
            Err(_) => path.to_owned(),
        };
        Place {
            state_dir: inside(&self.state_dir),
            gc_roots: inside(&self.gc_roots),
            guards: inside(&self.guards),
        }
    }

    /// Whether it is where a machine has its own: what systemd starts knows no other.
    pub(super) fn is_own(&self) -> bool {
        let own = [
            (&self.state_dir, STATE_DIR),
            (&self.gc_roots, GC_ROOTS),
            (&self.guards, GUARDS),
        ];
        own.into_iter().all(|(path, own)| path == Path::new(own))
    }
}

impl List {
    /// The format for the renderers.
    pub(super) fn format(&self) -> report::Format {
        match self.format {
            ListFormat::Text => report::Format::Text,
            ListFormat::Json => report::Format::Json,
        }
    }
}

impl Report {
    /// The format for the renderers.
    pub(super) fn format(&self) -> report::Format {
        match self.format {
            Format::Text => report::Format::Text,
            Format::Json => report::Format::Json,
            Format::Markdown => report::Format::Markdown,
        }
    }

    /// The options for the renderers.
    pub(super) fn options(&self) -> report::Options {
        report::Options {
            width: super::output::width(),
            scripts: self.scripts,
            chosen: !self.services.is_empty(),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be more than no time, and not for ever".to_owned())
}

/// The references, an example and its meaning each.
const REFERENCES: [(&str, &str); 11] = [
    ("current, booted", "the system that is active, or was booted"),
    ("42", "generation 42 of the profile (--profile)"),
    ("./result", "a closure: a path in the store, or a link to one"),
    ("/nix/store/….drv", "a derivation; it is not built"),
    (".#atlas", "a host of a flake, evaluated; any flake will do"),
    ("./configuration.nix", "evaluated with <nixpkgs/nixos>"),
    ("--file hosts.nix atlas", "an attribute of a file, evaluated"),
    ("./modules", "the source text of modules, not evaluated"),
    (
        "main:modules/db.nix",
        "the same in a revision of the git repository here",
    ),
    (
        "GEN/specialisation/NAME",
        "a specialisation of any but source text",
    ),
    ("GEN/containers/NAME", "a container of any but source text"),
];

/// What stands below the options in `--help`.
fn guide() -> String {
    let mut guide = String::from("References to generations:\n");
    let widest = REFERENCES.map(|(example, _)| example.chars().count());
    let widest = widest.into_iter().max().unwrap_or_default();
    for (example, meaning) in REFERENCES {
        // Writing to a String cannot fail.
        let _ = writeln!(guide, "  {example:<widest$}  {meaning}");
    }
    guide.push_str(
        "  A word that can be read in two ways is refused; `generation:`, `closure:`,\n  `drv:`, `eval:` or `source:` before \
         it says which is meant.\n\nExit codes:\n",
    );
    for (exit, meaning) in exit::MEANINGS {
        // Writing to a String cannot fail.
        let _ = writeln!(guide, "  {}  {meaning}", exit.number());
    }
    guide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::described().debug_assert();
    }

    #[test]
    fn what_is_the_machines_own_is_what_is_meant_where_nothing_is_said() {
        let said = Cli::try_parse_from(["nixmig", "status"]).unwrap();
        let Command::Status(said) = said.command else {
            panic!()
        };
        let (memory, below) = (Memory::own(), Below::own());
        assert_eq!(
            memory.place(&below),
            said.machine.memory.place(&said.machine.below)
        );
        let below = below.options();
        let said = said.machine.below.options();
        assert_eq!((below.root, below.profile), (said.root, said.profile));
    }

    #[test]
    fn seconds_are_positive() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for text in ["", "0", "-1", "nan", "inf", "1e300", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
