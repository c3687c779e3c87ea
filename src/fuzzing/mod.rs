//! Owns how readers are tried on texts that nobody wrote: real ones, changed at random (docs/testing.md). Knows no format.
//!
//! A plain `cargo test` makes some thousand runs of every target, always the same ones; `make fuzz` makes as many as it is
//! told. What a run reads follows from seed, target and the run's number alone, so a run that failed can be had again. Under
//! `--cfg fuzzing` the same checks are bolero's, and libFuzzer makes the texts.

#[cfg(not(fuzzing))]
mod mutation;
#[cfg(not(fuzzing))]
pub(crate) mod runs;

/// A reader, and what must hold whatever it reads.
#[cfg_attr(fuzzing, allow(dead_code))]
pub(crate) struct Target {
    /// Its name, and that of its corpus below `fuzz/corpus/`.
    pub(crate) name: &'static str,
    /// Other directories with texts, from the top of the package, at any depth, and how the texts' names end.
    pub(crate) also: &'static [(&'static str, &'static str)],
    /// Words that mean something in its format.
    pub(crate) words: &'static [&'static str],
    /// How many runs a plain `cargo test` makes.
    pub(crate) runs: u64,
    /// Reads a text and panics where something does not hold; tells whether the text was a valid one.
    pub(crate) check: fn(&[u8]) -> bool,
}

/// The body of a test that tries a [`Target`].
macro_rules! fuzz {
    ($target:expr) => {{
        let target: &$crate::fuzzing::Target = &$target;
        #[cfg(fuzzing)]
        bolero::check!().for_each(|text: &[u8]| {
            (target.check)(text);
        });
        #[cfg(not(fuzzing))]
        $crate::fuzzing::runs::run(target);
    }};
}
pub(crate) use fuzz;
