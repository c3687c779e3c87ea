//! Owns what the definitions of one migration come to.

use std::collections::BTreeMap;
use std::fmt::{self, Arguments};
use std::rc::Rc;

use super::definition::{Definition, Raw, any_of, prioritized};
use super::eval::{Evaluator, Outcome};
use super::module::raw;
use super::setting::Context;
use super::text::Span;
use super::value::{Condition, Mystery, Value};
use crate::model::{
    Action, Digester, Direction, Location, Migration, Part, ServiceName, Setting, Unknown, Version,
};

/// One definition of a migration.
pub(super) struct StepDefinition {
    definition: Definition,
    /// Where its version is written, and what Nix would call the place.
    key: (Span, u32),
}

/// The reading of one migration.
pub(super) struct Step<'e, 't> {
    evaluator: &'e Evaluator<'t>,
    service: &'e ServiceName,
    version: Version,
}

/// The option that it is.
impl fmt::Display for Step<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "migrations.{}.steps.\"{}\"", self.service, self.version)
    }
}

/// Attributes by name, and what may add to them.
#[derive(Default)]
struct Parts {
    options: BTreeMap<Rc<str>, Vec<Raw>>,
    rest: Vec<Rc<Mystery>>,
}

impl StepDefinition {
    pub(super) fn new(definition: Definition, key: (Span, u32)) -> Self {
        Self { definition, key }
    }
}

impl<'e, 't> Step<'e, 't> {
    pub(super) fn new(evaluator: &'e Evaluator<'t>, service: &'e ServiceName, version: Version) -> Self {
        Self {
            evaluator,
            service,
            version,
        }
    }

    /// A migration of which the version is written, and nothing else is known.
    pub(super) fn written(&self, unknown: Unknown, span: Span) -> Migration {
        let mut migration = Migration::new(self.version);
        migration.origin = Some(self.evaluator.sources.location(span));
        migration.program = Setting::Unknown(unknown.clone());
        migration.cumulative = Setting::Unknown(unknown.clone());
        for direction in [Direction::Up, Direction::Down] {
            for part in Part::ALL {
                *migration.action_mut(direction).part_mut(part) = Setting::Unknown(unknown.clone());
            }
        }
        migration.conditions.push(unknown);
        migration
    }

    /// The migration, and what its being there depends on; none where nothing defines it after all.
    pub(super) fn migration(
        &self,
        definitions: &[StepDefinition],
        notes: &mut Vec<String>,
    ) -> Outcome<Option<(Migration, Vec<Condition>)>> {
        let Some(first) = definitions.first() else {
            return Ok(None);
        };
        let all: Vec<Definition> = definitions.iter().map(|one| one.definition.clone()).collect();
        let conditions = any_of(all.iter().map(|definition| &definition.conditions[..]));
        let parts = self.parts(format_args!("{self}"), &prioritized(all))?;
        let mut migration = Migration::new(self.version);
        migration.origin = Some(self.origin(definitions, first));
        if !conditions.is_empty() {
            let each = conditions
                .iter()
                .map(|one| self.evaluator.open(std::slice::from_ref(one)));
            migration.conditions = each.collect();
        }
        let context = Context {
            base: &conditions,
            rest: &parts.rest,
        };
        let of = |name: &str| parts.options.get(name).map_or(&[][..], Vec::as_slice);
        let program = format_args!("`{self}.program`");
        migration.program = self.evaluator.word(program, of("program"), context)?.0;
        migration.cumulative =
            self.evaluator
                .flag(format_args!("`{self}.cumulative`"), of("cumulative"), context)?;
        for direction in [Direction::Up, Direction::Down] {
            let raws = of(direction.name());
            *migration.action_mut(direction) = self.action(direction, raws, context, notes)?;
        }
        for name in parts.options.keys() {
            if !["version", "origin", "program", "cumulative", "up", "down"].contains(&&**name) {
                notes.push(format!(
                    "`{self}.{name}` is no option of a migration, and is not read"
                ));
            }
        }
        Ok(Some((migration, conditions)))
    }

    /// The place that gives the migration its `up`, before one that only adds to it.
    fn origin(&self, definitions: &[StepDefinition], first: &StepDefinition) -> Location {
        let has_up = |one: &&StepDefinition| matches!(&one.definition.value, Value::Set(set) if set.entries.contains_key("up"));
        let (span, path) = definitions.iter().find(has_up).unwrap_or(first).key;
        self.evaluator.sources.location(Span { start: path, ..span })
    }

    fn action(
        &self,
        direction: Direction,
        raws: &[Raw],
        context: Context<'_>,
        notes: &mut Vec<String>,
    ) -> Outcome<Action> {
        let own = format_args!("{self}.{}", direction.name());
        let mut parts = self.parts(own, &self.evaluator.definitions(raws)?)?;
        parts.rest.extend(context.rest.iter().cloned());
        let context = Context {
            rest: &parts.rest,
            ..context
        };
        let mut action = Action::default();
        let mut digester = Some(Digester::default());
        for part in Part::ALL {
            let raws = parts.options.get(part.name()).map_or(&[][..], Vec::as_slice);
            let option = format_args!("`{own}.{}`", part.name());
            let setting = self.evaluator.text(option, raws, context)?;
            match (&setting, digester.as_mut()) {
                (Setting::Unset, _) | (_, None) => {}
                (Setting::Set(text), Some(open)) => match &text.text {
                    Some(text) => open.add(part, text),
                    None => digester = None,
                },
                (Setting::Unknown(_), _) => digester = None,
            }
            *action.part_mut(part) = setting;
        }
        action.digest = digester.and_then(Digester::finish);
        for name in parts.options.keys() {
            if !Part::ALL.iter().any(|part| part.name() == &**name) {
                notes.push(format!(
                    "`{own}.{name}` is no option of an action, and is not read"
                ));
            }
        }
        Ok(action)
    }

    /// Sorts what is said of a migration, or of an action, by option.
    fn parts(&self, option: Arguments<'_>, definitions: &[Definition]) -> Outcome<Parts> {
        let mut parts = Parts::default();
        for definition in definitions {
            let span = self.evaluator.span(definition.thunk);
            match &definition.value {
                Value::Set(set) => {
                    for (name, entry) in &set.entries {
                        let raws = parts.options.entry(Rc::clone(name)).or_default();
                        raws.push(raw(entry, &definition.conditions));
                    }
                    parts.rest.extend(set.rest.iter().cloned());
                }
                value @ (Value::Unknown(_) | Value::Given(_) | Value::Lambda(_)) => {
                    parts.rest.push(self.evaluator.mystery_of(value, span));
                }
                other => {
                    let option = format_args!("`{option}`");
                    return Err(self.evaluator.wrong(option, "a set", other, span).into());
                }
            }
        }
        Ok(parts)
    }
}
