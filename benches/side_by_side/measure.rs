//! Owns how time and memory are measured: contenders in turns, medians, ratios of pairs. Knows nothing of what is compared.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// What one contender took, a time a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Adds the time of a round.
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that half of the rounds stayed below; nothing for no rounds.
    pub(crate) fn median(&self) -> Duration {
        let seconds = self.0.iter().map(Duration::as_secs_f64).collect();
        Duration::from_secs_f64(median(seconds))
    }

    /// The shortest and the longest time.
    pub(crate) fn range(&self) -> (Duration, Duration) {
        let shortest = self.0.iter().min().copied();
        let longest = self.0.iter().max().copied();
        (shortest.unwrap_or_default(), longest.unwrap_or_default())
    }

    /// The median over the rounds of how many times longer this took than `other` in the same round.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        let pairs = self.0.iter().zip(&other.0);
        median(
            pairs
                .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
                .collect(),
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Something that can be run again and again, and tells what it took.
pub(crate) type Contender<'a> = Box<dyn FnMut() -> Outcome<Duration> + 'a>;

/// Runs the contenders in turns, so that whatever else the machine does falls on all of them: A B C, then C B A, and so on,
/// after a round that does not count.
pub(crate) fn in_turns<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> Outcome<[Times; N]> {
    for contender in &mut contenders {
        contender()?;
    }
    let mut times = [(); N].map(|()| Times::default());
    for round in 0..rounds {
        for turn in 0..N {
            let index = if round % 2 == 0 { turn } else { N - 1 - turn };
            times[index].push(contenders[index]()?);
        }
    }
    Ok(times)
}

/// Commands that run at once and are done when all of them are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    commands: Vec<Vec<OsString>>,
    environment: Vec<(OsString, OsString)>,
}

impl Job {
    /// One command.
    pub(crate) fn new(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::all([command])
    }

    /// Several commands at once.
    pub(crate) fn all<C>(commands: impl IntoIterator<Item = C>) -> Self
    where
        C: IntoIterator<Item: Into<OsString>>,
    {
        let words = |command: C| command.into_iter().map(Into::into).collect();
        Self {
            commands: commands.into_iter().map(words).collect(),
            environment: Vec::new(),
        }
    }

    /// Adds variables to the environment of all commands.
    pub(crate) fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter();
        self.environment
            .extend(variables.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The time from before the start of the first to after the end of the last.
    ///
    /// # Errors
    ///
    /// When one of them does not start or does not succeed.
    pub(crate) fn time(&self) -> Outcome<Duration> {
        let begin = Instant::now();
        let children = self.spawn(|command| self.command(command))?;
        wait(children)?;
        Ok(begin.elapsed())
    }

    /// The same commands, each as the last words of another.
    pub(crate) fn behind(&self, words: impl IntoIterator<Item = OsString>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        Self {
            commands: self
                .commands
                .iter()
                .map(|command| [&words[..], command].concat())
                .collect(),
            environment: self.environment.clone(),
        }
    }

    /// This as a contender.
    pub(crate) fn contender(&self) -> Contender<'_> {
        Box::new(|| self.time())
    }

    /// The most memory that one of its processes held, their children included, in KiB.
    ///
    /// GNU time starts them, because a process's peak begins with that of the process that it was forked from.
    ///
    /// # Errors
    ///
    /// When they do not start or succeed, or GNU time does not say.
    pub(crate) fn peak(&self, scratch: &Path) -> Outcome<u64> {
        let report = |index: usize| scratch.join(format!("peak-{index}"));
        let mut index = 0;
        let children = self.spawn(|words| {
            let mut command = self.command(&[OsString::from("time"), "-f".into(), "%M".into(), "-o".into()]);
            command.arg(report(index)).arg("--").args(words);
            index += 1;
            command
        })?;
        wait(children)?;
        let mut peak = 0;
        for index in 0..self.commands.len() {
            let text = std::fs::read_to_string(report(index))?;
            peak = peak.max(text.trim().parse()?);
        }
        Ok(peak)
    }

    /// What the first command prints.
    ///
    /// # Errors
    ///
    /// When it does not succeed.
    pub(crate) fn output(&self) -> Outcome<String> {
        let words = self.commands.first().ok_or("a job without a command")?;
        let output = self.command(words).stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}\n{said}", shown(words), output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn command(&self, words: &[OsString]) -> Command {
        let program = words.first().map_or(OsStr::new(""), OsString::as_os_str);
        let mut command = Command::new(program);
        command
            .args(words.get(1..).unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn spawn(&self, mut command: impl FnMut(&[OsString]) -> Command) -> Outcome<Vec<(Child, String)>> {
        let mut children = Vec::new();
        for words in &self.commands {
            let mut command = command(words);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = command
                .spawn()
                .map_err(|error| format!("{}: {error}", shown(words)))?;
            children.push((child, shown(words)));
        }
        Ok(children)
    }
}

fn wait(children: Vec<(Child, String)>) -> Outcome<()> {
    for (mut child, words) in children {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("{words}: {status}").into());
        }
    }
    Ok(())
}

fn shown(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
