//! Owns how a reading is divided among processors. Each of them finds out what all modules declare, which is soon done, and then
//! what a share of the services comes to. No values are shared: they refer to each other without end.
//!
//! Together they tell what one of them alone would. Where that hangs on which value is asked for first, one alone reads it.

use std::collections::HashSet;
use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::eval::{Evaluator, FUEL, Outcome};
use super::files::Tree;
use super::forget_scripts;
use super::module::Declarations;
use super::service::Merge;
use super::sources::{Parsed, Sources};
use super::stray::strays;
use super::thread::spawn;
use super::value::Conditions;
use crate::model::{Generation, Kind, Unknown};

/// How many bytes of text are worth a thread of their own.
const WORTH: usize = 128 << 10;

/// One of several parts of something that follow each other.
#[derive(Clone, Copy)]
pub(super) struct Share {
    number: usize,
    of: usize,
}

impl Share {
    const WHOLE: Self = Self { number: 0, of: 1 };

    /// Its part of so many.
    pub(super) fn range(self, count: usize) -> Range<usize> {
        count * self.number / self.of..count * (self.number + 1) / self.of
    }
}

/// Texts that are to be read as modules.
pub(super) struct Reading<'t> {
    pub(super) tree: &'t dyn Tree,
    pub(super) texts: &'t [Parsed],
    pub(super) label: &'t str,
    /// Whether the words of scripts are wanted.
    pub(super) scripts: bool,
}

/// What came of a share.
struct Part {
    /// The share of the services, the notes on them, and what cannot be read whatever the share, but for strays.
    generation: Generation,
    /// Those in its share of the files that were loaded before any service was looked at.
    strays: Vec<Unknown>,
    /// Those in each file that was loaded for a service of the share.
    later: Vec<(Arc<Path>, Vec<Unknown>)>,
}

/// The reading of a share.
struct Attempt {
    part: Outcome<Part>,
    /// How much work it took.
    burnt: usize,
    /// Whether it depends on what was asked for first.
    is_limited: bool,
}

impl Reading<'_> {
    /// What the texts declare.
    pub(super) fn generation(&self) -> Outcome<Generation> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let shares = processors.min(1 + self.size() / WORTH);
        if shares > 1
            && let Some(generation) = self.join(self.attempts(shares)?)?
        {
            return Ok(generation);
        }
        self.alone()
    }

    /// What one alone reads.
    fn alone(&self) -> Outcome<Generation> {
        Ok(self.together(vec![self.attempt(Share::WHOLE).part?]))
    }

    fn size(&self) -> usize {
        self.texts.iter().map(Parsed::size).sum()
    }

    /// Reads all shares at once.
    fn attempts(&self, of: usize) -> Outcome<Vec<Attempt>> {
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for number in 1..of {
                threads.push(spawn(scope, move || self.attempt(Share { number, of }))?);
            }
            let mut attempts = vec![self.attempt(Share { number: 0, of })];
            for thread in threads {
                attempts.push(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            Ok(attempts)
        })
    }

    /// The generation, unless one alone may have read another. Of several errors it is the one that one alone meets.
    fn join(&self, attempts: Vec<Attempt>) -> Outcome<Option<Generation>> {
        let burnt: usize = attempts.iter().map(|attempt| attempt.burnt).sum();
        if attempts.iter().any(|attempt| attempt.is_limited) || burnt > FUEL + self.size() {
            return Ok(None);
        }
        let parts = attempts.into_iter().map(|attempt| attempt.part);
        parts
            .collect::<Outcome<_>>()
            .map(|parts| Some(self.together(parts)))
    }

    fn attempt(&self, share: Share) -> Attempt {
        let evaluator = Evaluator::new(Sources::new(self.tree, self.texts));
        Attempt {
            part: self.part(&evaluator, share),
            burnt: evaluator.burnt(),
            is_limited: evaluator.is_limited(),
        }
    }

    fn part(&self, evaluator: &Evaluator<'_>, share: Share) -> Outcome<Part> {
        let sources = &evaluator.sources;
        let mut declarations = Declarations::new(evaluator);
        // Each is a module of its own right, whatever else imports it under whatever condition.
        for file in 0..self.texts.len() {
            sources.file(file).is_module.set(true);
        }
        for file in 0..self.texts.len() {
            declarations.listed(file, &Conditions::default(), 0)?;
        }
        let loaded = sources.count();
        let mut generation = Generation::new(self.label, Kind::Source);
        Merge::new(evaluator, &mut generation).run(&declarations, share)?;
        if !self.scripts {
            forget_scripts(&mut generation);
        }
        let strays = |file| {
            let strays = strays(evaluator, file).into_iter();
            strays.map(|stray| evaluator.unread_with(&stray, &evaluator.versions_in(&stray)))
        };
        let later = loaded..sources.count();
        Ok(Part {
            generation,
            strays: share.range(loaded).flat_map(strays).collect(),
            later: later
                .map(|file| (sources.file(file).path(), strays(file).collect()))
                .collect(),
        })
    }

    /// All parts, in their order.
    fn together(&self, parts: Vec<Part>) -> Generation {
        let mut whole = Generation::new(self.label, Kind::Source);
        let mut strays = Vec::new();
        let mut later = Vec::new();
        let mut seen = HashSet::new();
        for (n, mut part) in parts.into_iter().enumerate() {
            whole.services.append(&mut part.generation.services);
            whole.notes.append(&mut part.generation.notes);
            if n == 0 {
                whole.unread = part.generation.unread;
            }
            strays.append(&mut part.strays);
            // Several shares may have loaded a file: one alone loads it once.
            let new = part
                .later
                .into_iter()
                .filter(|(path, _)| seen.insert(Arc::clone(path)));
            later.extend(new.flat_map(|(_, strays)| strays));
        }
        for unknown in strays.into_iter().chain(later) {
            if !whole.unread.contains(&unknown) {
                whole.unread.push(unknown);
            }
        }
        whole
    }
}

#[cfg(test)]
impl Reading<'_> {
    /// What shares come to that are read one after the other.
    pub(super) fn in_shares(&self, of: usize) -> Outcome<Option<Generation>> {
        self.join((0..of).map(|number| self.attempt(Share { number, of })).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Disk;
    use super::super::on_deep_stack;
    use super::super::sources::candidates;
    use super::super::tests::tree;
    use super::*;

    /// Runs something on the reading of files.
    fn reading(files: &[(&str, &str)], work: impl Fn(&Reading<'_>) + Sync) {
        let directory = tree(files);
        let paths = Disk.nix_files(&directory.path().join("modules")).unwrap();
        let texts = &candidates(&Disk, &paths).unwrap();
        let reading = Reading {
            tree: &Disk,
            texts,
            label: "x",
            scripts: true,
        };
        on_deep_stack(|| {
            work(&reading);
            Ok(())
        })
        .unwrap();
    }

    const FILES: &[(&str, &str)] = &[
        (
            "modules/a.nix",
            "{ config, ... }: {
                imports = [ ../imported.nix config.more ];
                migrations.a.steps.\"2024-01-01\".up.script = import ../late.nix;
                migrations.b.steps.\"2024-01-01\".up.script = import ../late.nix;
                migrations.b.color = 1;
            }",
        ),
        (
            "modules/b.nix",
            "{ config, lib, ... }: let unused = f { migrations.g = { }; }; in lib.mkIf config.b {
                migrations = lib.mkMerge [
                    { c.steps.\"2024-01-02\" = { size = 1; up.script = import ../later.nix; }; }
                    { c.color = 2; d = config.d; }
                ];
                systemd.services.e.migrations = [ { version = \"2024-01-03\"; up.script = import ../late.nix; } ];
            }",
        ),
        ("modules/c.nix", "{ config, ... }: { migrations = config.all; }"),
        ("imported.nix", "let x = y { migrations.h = { }; }; in { migrations.a.requiredBy = [ \"b.service\" ]; }"),
        ("late.nix", "let x = { migrations.i = { }; }; in \"true\""),
        ("later.nix", "let x = { migrations.j = { }; }; in \"true\""),
    ];

    #[test]
    fn shares_tell_together_what_one_alone_does() {
        reading(FILES, |reading| {
            let whole = reading.alone().unwrap();
            assert_eq!(whole.services.len(), 5);
            assert_eq!(whole.notes.len(), 3);
            assert_eq!(whole.unread.len(), 6, "{:#?}", whole.unread);
            for shares in 1..8 {
                let joined = reading.in_shares(shares).unwrap();
                assert_eq!(joined.as_ref(), Some(&whole), "{shares} shares");
            }
            let at_once = reading.join(reading.attempts(3).unwrap());
            assert_eq!(at_once.unwrap(), Some(whole));
        });
    }

    #[test]
    fn of_several_errors_it_is_the_first_whichever_share_meets_it() {
        let text = "{ migrations.b.steps.\"2024-02-30\" = { }; migrations.d.steps = 1; migrations.a = { }; }";
        reading(&[("modules/a.nix", text)], |reading| {
            let whole = reading.alone().unwrap_err().to_string();
            for shares in 1..5 {
                assert_eq!(reading.in_shares(shares).unwrap_err().to_string(), whole);
            }
        });
    }

    #[test]
    fn what_hangs_on_the_order_is_left_to_one_alone() {
        for text in [
            "let a = b; b = a; in { migrations.a.detect = a; migrations.b.detect = b; }",
            "let f = x: f (x + x); in { migrations.a.detect = f \"\"; migrations.b = { }; }",
        ] {
            reading(&[("modules/a.nix", text)], |reading| {
                assert_eq!(reading.in_shares(2).unwrap(), None, "{text}");
                assert_eq!(reading.alone().unwrap().services.len(), 2, "{text}");
            });
        }
    }
}
