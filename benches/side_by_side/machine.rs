//! Owns the words for what the figures were measured on: enough to judge them by, nothing that names a host.

use std::collections::BTreeSet;
use std::process::Command;

/// A sentence: processor, memory, and the programs beside nixmig.
pub(crate) fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let models: BTreeSet<_> = fields("/proc/cpuinfo", "model name").into_iter().collect();
    let model = models
        .into_iter()
        .next()
        .unwrap_or_else(|| "an unknown processor".to_owned());
    let memory = fields("/proc/meminfo", "MemTotal");
    let memory = memory
        .first()
        .and_then(|total| total.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(
            || "unknown".to_owned(),
            |kibibytes| format!("{:.0} GiB", kibibytes / 1_048_576.0),
        );
    let programs: Vec<_> = ["nix", "rustc"].into_iter().filter_map(version).collect();
    let cores = match cores {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    format!(
        "Measured on {cores} of {model}, {memory} of memory, with {}.",
        programs.join(" and ")
    )
}

/// The values of a field in a file of `name : value` lines; none where there is no such file.
fn fields(file: &str, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(field, _)| field.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// What a program says of its version, on its first line and without what stands in brackets.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let words = text.lines().next()?.split(" (");
    let words: Vec<_> = words
        .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest.trim_start()))
        .collect();
    Some(words.join(" ").trim().to_owned())
}
