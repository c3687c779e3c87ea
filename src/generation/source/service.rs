//! Owns what the definitions of `migrations` come to: services with their settings, and which definitions make which step.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::definition::{Definition, Raw};
use super::error::{Fault, TextError};
use super::eval::{Evaluator, Outcome};
use super::module::{Declarations, raw};
use super::setting::Context;
use super::share::Share;
use super::step::{Step, StepDefinition};
use super::text::Span;
use super::value::{Condition, Given, Mystery, ThunkId, Value};
use crate::model::{Generation, Migration, Program, Service, ServiceName, Setting, Unknown, Version};

/// The options of a service that a history does not need.
const IGNORED: [&str; 3] = ["environment", "path", "serviceConfig"];

/// Turns declarations into the services of a generation.
pub(super) struct Merge<'e, 't> {
    evaluator: &'e Evaluator<'t>,
    generation: &'e mut Generation,
}

/// The definitions of one service.
#[derive(Default)]
struct Parts {
    options: BTreeMap<Rc<str>, Vec<Raw>>,
    /// What may set any of them.
    rest: Vec<Rc<Mystery>>,
    /// Definitions of which nothing is known but what is written in them.
    unread: Vec<ThunkId>,
}

/// The definitions of a history.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) versions: BTreeMap<Version, Vec<StepDefinition>>,
    /// Versions that are written in what is not followed, and why.
    pub(super) written: BTreeMap<Version, (Unknown, Span)>,
    pub(super) unread: Vec<Unknown>,
}

impl<'e, 't> Merge<'e, 't> {
    pub(super) fn new(evaluator: &'e Evaluator<'t>, generation: &'e mut Generation) -> Self {
        Self {
            evaluator,
            generation,
        }
    }

    /// Adds a share of the services, and what may declare more, whatever the share.
    pub(super) fn run(mut self, declarations: &Declarations<'_, '_>, share: Share) -> Outcome<()> {
        for mystery in &declarations.unread {
            self.unread(mystery, &self.evaluator.versions_in(mystery));
        }
        let mut services: BTreeMap<ServiceName, Vec<Raw>> = BTreeMap::new();
        for definition in self.evaluator.definitions(&declarations.migrations)? {
            let span = self.evaluator.span(definition.thunk);
            let Value::Set(set) = &definition.value else {
                let mystery = self.evaluator.mystery_of(&definition.value, span);
                self.unread(&mystery, &self.evaluator.versions_of(definition.thunk));
                continue;
            };
            for rest in &set.rest {
                self.unread(rest, &self.evaluator.versions_in(rest));
            }
            for (name, entry) in &set.entries {
                let name = self.name(name, &entry.keys.first().map_or(span, |key| key.span))?;
                services
                    .entry(name)
                    .or_default()
                    .push(raw(entry, &definition.conditions));
            }
        }
        for (name, raws) in &declarations.services {
            let span = raws[0]
                .keys
                .first()
                .map_or(self.evaluator.span(raws[0].value), |key| key.span);
            let name = self.name(name, &span)?;
            let on_unit = self.evaluator.definitions(raws)?;
            // Null is what an option on every unit is where nothing is declared.
            if on_unit
                .iter()
                .all(|definition| matches!(definition.value, Value::Null))
            {
                continue;
            }
            if let Some(others) = services.get(&name) {
                self.exclusive(&name, others, raws)?;
            }
            services.entry(name).or_default().extend(raws.iter().cloned());
        }
        // By the number of their definitions all shares take about as long.
        let share = share.range(services.values().map(Vec::len).sum());
        let mut behind = 0;
        for (name, raws) in services {
            let at = behind;
            behind += raws.len();
            if !share.contains(&at) {
                continue;
            }
            let service = self.service(&name, &raws)?;
            self.generation.services.insert(service.name.clone(), service);
        }
        Ok(())
    }

    /// Notes what may declare services, and the versions written in it.
    fn unread(&mut self, mystery: &Mystery, versions: &BTreeMap<Version, Span>) {
        let unknown = self.evaluator.unread_with(mystery, versions);
        if !self.generation.unread.contains(&unknown) {
            self.generation.unread.push(unknown);
        }
    }

    fn name(&self, name: &str, span: &Span) -> Outcome<ServiceName> {
        name.parse().map_err(|error| {
            TextError::new(Fault::Name(error), self.evaluator.sources.spot(*span), "here").into()
        })
    }

    /// A service may be declared in one way only. Under conditions the two may take turns.
    fn exclusive(&self, name: &ServiceName, first: &[Raw], second: &[Raw]) -> Outcome<()> {
        let certain = |raws: &[Raw]| -> Outcome<Option<Definition>> {
            let definitions = self.evaluator.definitions(raws)?;
            Ok(definitions
                .into_iter()
                .find(|definition| definition.conditions.is_empty()))
        };
        if let (Some(first), Some(second)) = (certain(first)?, certain(second)?) {
            let spot = |definition: &Definition| {
                let key = definition.keys.first().map(|key| key.span);
                self.evaluator
                    .sources
                    .spot(key.unwrap_or_else(|| self.evaluator.span(definition.thunk)))
            };
            let fault = Fault::BothWays {
                service: name.to_string(),
            };
            return Err(TextError::new(fault, spot(&second), "declared again")
                .with(spot(&first), "first declared")
                .into());
        }
        Ok(())
    }

    fn service(&mut self, name: &ServiceName, raws: &[Raw]) -> Outcome<Service> {
        let parts = self.parts(name, raws)?;
        let mut steps = self.steps(
            name,
            parts.options.get("steps").map_or(&[], Vec::as_slice),
            &parts,
        )?;
        let mut service = Service::new(name.clone());
        service.history.unread = std::mem::take(&mut steps.unread);
        service.masked = Setting::Unknown(Unknown {
            reason: "only a system that is evaluated or built tells whether its gate is masked".into(),
            at: None,
        });

        let mut migrations = Vec::with_capacity(steps.versions.len());
        for (&version, definitions) in &steps.versions {
            let step = Step::new(self.evaluator, name, version);
            if let Some(migration) = step.migration(definitions, &mut self.generation.notes)? {
                migrations.push(migration);
            }
        }
        // Where the service has steps at all, what all of them depend on holds.
        let base: Vec<Condition> = match migrations.split_first() {
            Some(((_, first), others)) => {
                let common = first
                    .iter()
                    .filter(|condition| others.iter().all(|(_, other)| other.contains(condition)));
                common.cloned().collect()
            }
            None => Vec::new(),
        };
        let context = Context {
            base: &base,
            rest: &parts.rest,
        };
        let of = |name: &str| parts.options.get(name).map_or(&[][..], Vec::as_slice);
        let evaluator = self.evaluator;
        let units = evaluator.units(
            format_args!("`migrations.{name}.requiredBy`"),
            of("requiredBy"),
            context,
        )?;
        service.units = match units {
            Setting::Unset => format!("{name}.service")
                .parse()
                .map_or(Setting::Unset, |unit| Setting::Set(BTreeSet::from([unit]))),
            units => units,
        };
        service.requires = match evaluator.units(
            format_args!("`migrations.{name}.requires`"),
            of("requires"),
            context,
        )? {
            Setting::Set(none) if none.is_empty() => Setting::Unset,
            requires => requires,
        };
        let directories = evaluator.words(
            format_args!("`migrations.{name}.stateDirectories`"),
            of("stateDirectories"),
            context,
        )?;
        service.state_directories = match directories {
            Setting::Unset => Setting::Unset,
            Setting::Unknown(unknown) => Setting::Unknown(unknown),
            Setting::Set(none) if none.is_empty() => Setting::Unset,
            Setting::Set(words) => Setting::Set(words.into_iter().map(|(word, _)| word).collect()),
        };
        service.package = evaluator.package(
            format_args!("`migrations.{name}.package`"),
            of("package"),
            context,
        )?;
        service.detect = evaluator.text(format_args!("`migrations.{name}.detect`"), of("detect"), context)?;
        service.oldest =
            match evaluator.word(format_args!("`migrations.{name}.oldest`"), of("oldest"), context)? {
                (Setting::Set(word), Some(span)) => Setting::Set(evaluator.version(&word, span)?),
                (Setting::Unknown(unknown), _) => Setting::Unknown(unknown),
                (Setting::Set(_) | Setting::Unset, _) => Setting::Unset,
            };
        if let Setting::Set(words) = evaluator.words(
            format_args!("`migrations.{name}.acknowledge`"),
            of("acknowledge"),
            context,
        )? {
            for (word, span) in words {
                service.acknowledge.insert(evaluator.version(&word, span)?);
            }
        }

        for (mut migration, _) in migrations {
            if reach(&mut migration, &service.package) {
                insert(&mut service, migration);
            }
        }
        for (version, (unknown, span)) in steps.written {
            if !service.history.contains(version) {
                insert(
                    &mut service,
                    Step::new(evaluator, name, version).written(unknown, span),
                );
            }
        }
        Ok(service)
    }

    /// Sorts what is said of a service by option.
    fn parts(&mut self, name: &ServiceName, raws: &[Raw]) -> Outcome<Parts> {
        let mut parts = Parts::default();
        for definition in self.evaluator.definitions(raws)? {
            self.part(name, &definition, &mut parts)?;
        }
        for option in parts.options.keys() {
            let known = [
                "steps",
                "requiredBy",
                "requires",
                "stateDirectories",
                "package",
                "detect",
                "oldest",
                "acknowledge",
            ];
            if !known.contains(&&**option) && !IGNORED.contains(&&**option) {
                let note = format!("`migrations.{name}.{option}` is no option of a service, and is not read");
                self.generation.notes.push(note);
            }
        }
        Ok(parts)
    }

    fn part(&self, name: &ServiceName, definition: &Definition, parts: &mut Parts) -> Outcome<()> {
        let span = self.evaluator.span(definition.thunk);
        match &definition.value {
            Value::Set(set) => {
                for (option, entry) in &set.entries {
                    let raws = parts.options.entry(Rc::clone(option)).or_default();
                    raws.push(raw(entry, &definition.conditions));
                }
                parts.rest.extend(set.rest.iter().cloned());
            }
            // A list is the service's steps.
            Value::List(_) => {
                let steps = parts.options.entry("steps".into()).or_default();
                steps.push(Raw {
                    value: definition.thunk,
                    conditions: definition.conditions.clone(),
                    keys: Rc::clone(&definition.keys),
                });
            }
            function @ Value::Lambda(_) => {
                let given = Value::Given(Given::Arguments(Some(name.as_str().into())));
                let arguments = self.evaluator.done(given, span);
                let value = self.evaluator.apply(function, arguments, span)?;
                let value = match &value {
                    Value::Set(set) => match set.entries.get("config") {
                        Some(config) => self.evaluator.force(config.value)?,
                        None => value,
                    },
                    _ => value,
                };
                match value {
                    Value::Set(_) | Value::List(_) => {
                        let inner = Definition {
                            value,
                            ..definition.clone()
                        };
                        self.part(name, &inner, parts)?;
                    }
                    other => {
                        parts.rest.push(self.evaluator.mystery_of(&other, span));
                        parts.unread.push(definition.thunk);
                    }
                }
            }
            value @ (Value::Unknown(_) | Value::Given(_)) => {
                parts.rest.push(self.evaluator.mystery_of(value, span));
                parts.unread.push(definition.thunk);
            }
            Value::Null => {}
            other => {
                let option = format_args!("`migrations.{name}`");
                let wrong = self.evaluator.wrong(option, "a set or a list", other, span);
                return Err(wrong.into());
            }
        }
        Ok(())
    }

    fn steps(&self, name: &ServiceName, raws: &[Raw], parts: &Parts) -> Outcome<Steps> {
        let mut steps = Steps::default();
        for definition in self.evaluator.definitions(raws)? {
            let span = self.evaluator.span(definition.thunk);
            match &definition.value {
                Value::Set(set) => {
                    for (version, entry) in &set.entries {
                        let key = entry.keys.first();
                        let at = key.map_or(span, |key| key.span);
                        let version = self.evaluator.version(version, at)?;
                        let raw = raw(entry, &definition.conditions);
                        let found = self.evaluator.discharged(&[raw])?;
                        let key = key.map_or((span, span.start), |key| (key.span, key.path));
                        let found = found
                            .into_iter()
                            .map(|definition| StepDefinition::new(definition, key));
                        steps.versions.entry(version).or_default().extend(found);
                    }
                    self.rest(&set.rest, &mut steps);
                }
                Value::List(list) => {
                    for item in &list.items {
                        let raw = Raw {
                            value: item.value,
                            conditions: definition.conditions.and(&item.conditions),
                            keys: Rc::default(),
                        };
                        for found in self.evaluator.discharged(&[raw])? {
                            self.listed(name, found, &mut steps)?;
                        }
                    }
                    self.rest(&list.rest, &mut steps);
                }
                value @ (Value::Unknown(_) | Value::Given(_)) => {
                    let mystery = self.evaluator.mystery_of(value, span);
                    self.written(
                        &mystery,
                        &self.evaluator.versions_of(definition.thunk),
                        &mut steps,
                    );
                }
                other => {
                    let option = format_args!("`migrations.{name}.steps`");
                    let wrong = self.evaluator.wrong(option, "a set or a list", other, span);
                    return Err(wrong.into());
                }
            }
        }
        // What may set any option may set this one.
        for &thunk in &parts.unread {
            let value = self.evaluator.force(thunk)?;
            let mystery = self.evaluator.mystery_of(&value, self.evaluator.span(thunk));
            self.written(&mystery, &self.evaluator.versions_of(thunk), &mut steps);
        }
        self.rest(&parts.rest, &mut steps);
        Ok(steps)
    }

    fn rest(&self, rest: &[Rc<Mystery>], steps: &mut Steps) {
        for mystery in rest {
            self.written(mystery, &self.evaluator.versions_in(mystery), steps);
        }
    }

    /// Notes what may add steps, and the versions written in it.
    fn written(&self, mystery: &Mystery, versions: &BTreeMap<Version, Span>, steps: &mut Steps) {
        let unknown = self.evaluator.unknown(mystery);
        for (&version, &span) in versions {
            steps
                .written
                .entry(version)
                .or_insert_with(|| (unknown.clone(), span));
        }
        if !steps.unread.contains(&unknown) {
            steps.unread.push(unknown);
        }
    }

    /// An entry of a list.
    fn listed(&self, name: &ServiceName, definition: Definition, steps: &mut Steps) -> Outcome<()> {
        let span = self.evaluator.span(definition.thunk);
        let set = match &definition.value {
            Value::Set(set) => Rc::clone(set),
            value @ (Value::Unknown(_) | Value::Given(_)) => {
                let mystery = self.evaluator.mystery_of(value, span);
                self.written(&mystery, &self.evaluator.versions_of(definition.thunk), steps);
                return Ok(());
            }
            other => {
                let option = format_args!("a migration of `migrations.{name}`");
                return Err(self.evaluator.wrong(option, "a set", other, span).into());
            }
        };
        let Some(entry) = set.entries.get("version") else {
            if set.rest.is_empty() {
                let fault = Fault::NoVersion {
                    service: name.to_string(),
                };
                return Err(TextError::new(fault, self.evaluator.sources.spot(span), "this one").into());
            }
            self.rest(&set.rest, steps);
            return Ok(());
        };
        let at = self.evaluator.span(entry.value);
        match self.evaluator.force(entry.value)? {
            Value::Text(Some(version)) => {
                let version = self.evaluator.version(&version, at)?;
                let key = entry
                    .keys
                    .first()
                    .map_or((at, at.start), |key| (key.span, key.path));
                let definitions = steps.versions.entry(version).or_default();
                definitions.push(StepDefinition::new(definition, key));
            }
            value @ (Value::Text(None) | Value::Unknown(_) | Value::Given(_) | Value::Either(..)) => {
                let mystery = self.evaluator.mystery_of(&value, at);
                self.written(&mystery, &self.evaluator.versions_of(entry.value), steps);
            }
            other => {
                let option = format_args!("the version of a migration of `migrations.{name}`");
                return Err(self.evaluator.wrong(option, "a string", &other, at).into());
            }
        }
        Ok(())
    }
}

/// A history ends at the configured program: whether a migration is in it, or may be.
fn reach(migration: &mut Migration, package: &Setting<Program>) -> bool {
    let Setting::Set(wanted) = &migration.program else {
        return true;
    };
    let reached = package.value().and_then(|program| reaches(program, wanted));
    if reached.is_none() {
        let known = match package {
            Setting::Set(program) => format!(", of which no more is known than {}", program.display()),
            Setting::Unset => ", which is not set".to_owned(),
            Setting::Unknown(_) => String::new(),
        };
        migration.conditions.push(Unknown {
            reason: format!("depends on whether the package reaches {wanted}{known}").into(),
            at: migration.origin.clone(),
        });
    }
    reached != Some(false)
}

/// Whether a program of which only the beginning of the version is known has reached another.
fn reaches(program: &Program, wanted: &str) -> Option<bool> {
    let reaches = program.reaches(wanted)?;
    let is_beginning = program.version.as_deref().is_some_and(|version| {
        wanted
            .strip_prefix(version)
            .is_some_and(|rest| rest.starts_with('.'))
    });
    (reaches || !is_beginning).then_some(reaches)
}

fn insert(service: &mut Service, migration: Migration) {
    // Versions are the keys of the maps that these come from.
    let _ = service.history.insert(migration);
}
