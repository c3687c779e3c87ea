//! Owns how figures are shown: rounded, on the terminal and as Markdown, and kept in docs/benchmarks.md. Measures nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::measure::Times;

/// What was compared, and the line of each contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// What they did.
    pub(crate) what: String,
    /// nixmig's first.
    pub(crate) lines: Vec<Line>,
}

/// One contender's figures, as they are shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    name: String,
    figure: String,
    range: String,
    ratio: String,
    peak: String,
    target: String,
}

/// Between the two lines of docs/benchmarks.md that stand around the figures.
const MARKS: [&str; 2] = ["<!-- figures: begin -->", "<!-- figures: end -->"];

impl Line {
    /// The line of what took these times.
    pub(crate) fn of(name: impl Into<String>, times: &Times) -> Self {
        let (shortest, longest) = times.range();
        Self {
            name: name.into(),
            figure: time(times.median()),
            range: format!("{} – {}", time(shortest), time(longest)),
            ..Self::default()
        }
    }

    /// The line of a figure that is no time.
    pub(crate) fn fact(name: impl Into<String>, figure: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            figure: figure.into(),
            ..Self::default()
        }
    }

    /// The most memory it held, in KiB.
    pub(crate) fn peak(mut self, peak: u64) -> Self {
        self.peak = memory(peak);
        self
    }

    /// How many times longer nixmig took.
    pub(crate) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = format!("{ratio:.2}×");
        self
    }

    /// What the figure should be, and whether it is.
    pub(crate) fn target(mut self, target: impl Into<String>, met: bool) -> Self {
        self.target = format!("{}: {}", target.into(), if met { "met" } else { "missed" });
        self
    }

    /// How many times longer nixmig took, and at most should.
    pub(crate) fn ratio_target(self, ratio: f64, most: f64) -> Self {
        self.ratio(ratio).target(format!("≤ {most}×"), ratio <= most)
    }

    /// The time that nixmig should take at most.
    pub(crate) fn time_target(self, times: &Times, most: Duration) -> Self {
        self.target(format!("≤ {}", time(most)), times.median() <= most)
    }

    fn cells(&self) -> [&str; 6] {
        [
            &self.name,
            &self.figure,
            &self.range,
            &self.ratio,
            &self.peak,
            &self.target,
        ]
    }
}

impl Comparison {
    /// What stands on the terminal as soon as it is measured.
    pub(crate) fn text(&self) -> String {
        let mut widths = [0; 6];
        for line in &self.lines {
            for (width, cell) in widths.iter_mut().zip(line.cells()) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = format!("{}\n", self.what);
        for line in &self.lines {
            let cells = line.cells().into_iter().zip(widths);
            let row: String = cells.map(|(cell, width)| format!("  {cell:width$}")).collect();
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

/// All comparisons as one table.
pub(crate) fn markdown(comparisons: &[Comparison]) -> String {
    let mut table = String::from(
        "| what | by | median | shortest – longest | nixmig takes | peak memory | target |\n\
         |---|---|---:|---:|---:|---:|---|\n",
    );
    for comparison in comparisons {
        for (index, line) in comparison.lines.iter().enumerate() {
            let what = if index == 0 { comparison.what.as_str() } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {what} | {} |", line.cells().join(" | "));
        }
    }
    table
}

/// Puts figures where docs/benchmarks.md keeps them.
///
/// # Errors
///
/// When the file cannot be read or written, or has no place for them.
pub(crate) fn keep(file: &Path, machine: &str, table: &str) -> Outcome<()> {
    let text = std::fs::read_to_string(file)?;
    let [begin, end] = MARKS;
    let missing = || format!("{} lacks the lines {begin} and {end}", file.display());
    let (before, rest) = text.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    let kept = format!("{before}{begin}\n\n{machine}\n\n{table}\n{end}{after}");
    std::fs::write(file, kept)?;
    Ok(())
}

/// A time with two or three figures.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        10.0.. => format!("{seconds:.0} s"),
        1.0.. => format!("{seconds:.1} s"),
        0.01.. => format!("{:.0} ms", seconds * 1e3),
        0.001.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

/// Memory in KiB with two or three figures.
fn memory(kibibytes: u64) -> String {
    match kibibytes {
        0..10_240 => format!("{:.1} MiB", kibibytes as f64 / 1024.0),
        _ => format!("{} MiB", kibibytes.div_ceil(1024)),
    }
}

/// A number with commas: `2,014`.
pub(crate) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
