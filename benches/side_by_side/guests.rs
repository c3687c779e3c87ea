//! Owns what is measured on a machine of its own, with its own systemd: chains of steps, and gates. Beside them stand units of
//! systemd that do no more than they must. What happens there is in `guests/`; how a guest is run is `tests/machine/driver`'s business.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::measure::Times;
use crate::report::{Comparison, Line, time};
use crate::{Outcome, nixmig};

/// How many steps a chain has.
const STEPS: u32 = 100;

const WALKS: usize = 5;
const STARTS: usize = 101;

/// What guests said: the times of each contender by its name, and plain numbers.
struct Figures {
    times: BTreeMap<String, Times>,
    numbers: BTreeMap<String, u64>,
}

impl Figures {
    /// Runs a scenario of `guests/` and collects the lines `figure NAME SECONDS` and `number NAME NUMBER`.
    fn of(scenario: &str, rounds: usize) -> Outcome<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Nix refuses a store that is reached through a symbolic link.
        let target = std::fs::canonicalize(Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."))?;
        let output = Command::new(repository.join("tests/machine/driver"))
            .args([scenario, "--systemd", "257", "--timeout", "1800", "--nixmig"])
            .arg(nixmig())
            .arg("--target")
            .arg(target)
            .env("NIXMIG_ROUNDS", rounds.to_string())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{scenario} on a guest: {}\n{said}{errors}", output.status).into());
        }
        let mut figures = Self {
            times: BTreeMap::new(),
            numbers: BTreeMap::new(),
        };
        for line in said.lines() {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["figure", name, seconds] => {
                    let times = figures.times.entry((*name).to_owned()).or_default();
                    times.push(Duration::from_secs_f64(seconds.parse()?));
                }
                ["number", name, number] => {
                    figures.numbers.insert((*name).to_owned(), number.parse()?);
                }
                _ => {}
            }
        }
        Ok(figures)
    }

    fn times(&self, name: &str) -> Outcome<&Times> {
        let missing = || format!("the guest said nothing of `{name}`");
        Ok(self.times.get(name).ok_or_else(missing)?)
    }

    fn number(&self, name: &str) -> Outcome<u64> {
        let missing = || format!("the guest said nothing of `{name}`");
        Ok(*self.numbers.get(name).ok_or_else(missing)?)
    }
}

/// Walks of a hundred steps that do nothing, beside as many oneshots that flush as often.
///
/// # Errors
///
/// When no guest can be run here, or what happens there fails.
pub(crate) fn chains(_scratch: &Path) -> Outcome<Vec<Comparison>> {
    let figures = Figures::of("chain-speed", WALKS)?;
    let (apart, bare) = (figures.times("apart")?, figures.times("bare")?);
    let chain = |name: &str, words: &str| -> Outcome<Comparison> {
        let walk = figures.times(name)?;
        let least = figures.times(&format!("{name}-least"))?;
        let flushes = figures.number(&format!("{name}-flushes"))?;
        Ok(Comparison {
            what: format!("{STEPS} steps that do nothing, as units of systemd, {words}"),
            lines: vec![
                Line::of("`nixmig migrate`", walk),
                Line::fact("of which a step takes", time(walk.median() / STEPS)),
                Line::of(
                    format!("a chain of oneshots that append {flushes} times and flush each"),
                    least,
                )
                .ratio_target(walk.ratio(least), 1.5),
                Line::of("a chain of oneshots that run `true`", bare).ratio(walk.ratio(bare)),
                Line::of(format!("{STEPS} × `systemd-run --wait true`"), apart)
                    .ratio_target(walk.ratio(apart), 0.5),
            ],
        })
    };
    Ok(vec![
        chain("kept", "each with a backup of a small state")?,
        chain("loose", "of state that nobody says where it is")?,
    ])
}

/// Starts of a gate that finds nothing to do.
///
/// # Errors
///
/// When no guest can be run here, or what happens there fails.
pub(crate) fn gates(_scratch: &Path) -> Outcome<Vec<Comparison>> {
    let figures = Figures::of("gate-speed", STARTS)?;
    let [gate, least] = [figures.times("gate")?, figures.times("least")?];
    let beyond = gate.median().saturating_sub(least.median());
    let most = Duration::from_millis(5);
    Ok(vec![Comparison {
        what: "start of a gate with nothing to do".to_owned(),
        lines: vec![
            Line::of("`systemctl start` of the gate", gate),
            Line::of("of the same unit with `true`", least).ratio(gate.ratio(least)),
            Line::fact("what the gate takes beyond it", time(beyond))
                .target(format!("≤ {}", time(most)), beyond <= most),
        ],
    }])
}
