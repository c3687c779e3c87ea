//! Owns what a module is: which files it brings in, and where in it migrations are declared. What they say is not its matter.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use memchr::memmem;

use super::definition::Raw;
use super::eval::{Evaluator, Outcome};
use super::sources::WORD;
use super::text::{FileId, Span};
use super::value::{Conditions, Entry, Given, Mystery, Set, ThunkId, Value};

/// How many sets of arguments a module may take one after the other, and how deep inline modules may be in each other.
const NESTED: usize = 50;

/// What the modules of a reading declare.
pub(super) struct Declarations<'e, 't> {
    evaluator: &'e Evaluator<'t>,
    /// The definitions of `migrations`.
    pub(super) migrations: Vec<Raw>,
    /// The definitions of `systemd.services.<name>.migrations`, by name.
    pub(super) services: BTreeMap<Rc<str>, Vec<Raw>>,
    /// What may declare more.
    pub(super) unread: Vec<Rc<Mystery>>,
}

impl<'e, 't> Declarations<'e, 't> {
    pub(super) fn new(evaluator: &'e Evaluator<'t>) -> Self {
        Self {
            evaluator,
            migrations: Vec::new(),
            services: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    /// Takes a file in as a module, once.
    pub(super) fn file(&mut self, file: FileId, conditions: &Conditions, nested: usize) -> Outcome<()> {
        if self.evaluator.sources.file(file).is_module.replace(true) {
            return Ok(());
        }
        self.listed(file, conditions, nested)
    }

    /// Takes a file in that was marked as a module before.
    pub(super) fn listed(&mut self, file: FileId, conditions: &Conditions, nested: usize) -> Outcome<()> {
        let Some(root) = self.evaluator.sources.root(file) else {
            return Ok(());
        };
        let thunk = self.evaluator.delay(root, None);
        self.module(thunk, conditions, nested)
    }

    fn module(&mut self, thunk: ThunkId, conditions: &Conditions, nested: usize) -> Outcome<()> {
        let span = self.evaluator.span(thunk);
        if nested > NESTED || !self.evaluator.burn() {
            self.push("imports modules within modules without an end", span);
            return Ok(());
        }
        match self.evaluator.force(thunk)? {
            function @ (Value::Lambda(_) | Value::Function(..)) => {
                let arguments = self.evaluator.done(Value::Given(Given::Arguments(None)), span);
                let body = self.evaluator.apply(&function, arguments, span)?;
                let body = self.evaluator.done(body, span);
                self.module(body, conditions, nested + 1)
            }
            Value::Path(path) => self.import(&path, conditions, span, nested),
            Value::Set(set) => self.set(&set, thunk, conditions, nested),
            // `lib.mkIf … { … }` in place of a module is its `config`.
            Value::If(..) | Value::Either(..) | Value::Merge(_) | Value::Override(..) => self.config(&Raw {
                value: thunk,
                conditions: conditions.clone(),
                keys: Rc::default(),
            }),
            value @ (Value::Unknown(_) | Value::Given(_)) => {
                self.may_declare(&value, span);
                Ok(())
            }
            // A file that is no module.
            _ => Ok(()),
        }
    }

    fn import(&mut self, path: &Path, conditions: &Conditions, span: Span, nested: usize) -> Outcome<()> {
        match self.evaluator.sources.import(path)? {
            Some(file) => self.file(file, conditions, nested + 1),
            None => {
                let name = self.evaluator.sources.tree().name(path);
                self.push(&format!("imports {name}, which is not there"), span);
                Ok(())
            }
        }
    }

    fn set(&mut self, set: &Set, thunk: ThunkId, conditions: &Conditions, nested: usize) -> Outcome<()> {
        self.place(set);
        if let Some(imports) = set.entries.get("imports") {
            self.imports(imports, conditions, nested)?;
        }
        if set.entries.contains_key("config") || set.entries.contains_key("options") {
            if let Some(config) = set.entries.get("config") {
                self.config(&raw(config, conditions))?;
            }
            self.rest(set);
            return Ok(());
        }
        self.config(&Raw {
            value: thunk,
            conditions: conditions.clone(),
            keys: Rc::default(),
        })
    }

    fn imports(&mut self, imports: &Entry, conditions: &Conditions, nested: usize) -> Outcome<()> {
        let list = self.evaluator.list_of(imports.value)?;
        for item in list.items {
            let conditions = conditions.and(&item.conditions);
            let span = self.evaluator.span(item.value);
            match self.evaluator.force(item.value)? {
                value @ (Value::Unknown(_) | Value::Given(_)) => {
                    let mystery = self.evaluator.mystery_of(&value, span);
                    let reason = mystery.reason.trim_start_matches("depends on ");
                    self.push(&format!("imports {reason}"), span);
                }
                Value::Text(_) => self.push("imports what a string names", span),
                _ => self.module(item.value, &conditions, nested + 1)?,
            }
        }
        for rest in list.rest {
            let reason = rest.reason.trim_start_matches("depends on ");
            self.push(&format!("imports {reason}"), rest.span);
        }
        Ok(())
    }

    fn config(&mut self, config: &Raw) -> Outcome<()> {
        for definition in self.evaluator.discharged(std::slice::from_ref(config))? {
            let Value::Set(set) = &definition.value else {
                let span = self.evaluator.span(definition.thunk);
                self.may_declare(&definition.value, span);
                continue;
            };
            self.place(set);
            self.rest(set);
            if let Some(migrations) = set.entries.get(WORD) {
                self.declare(migrations);
                self.migrations.push(raw(migrations, &definition.conditions));
            }
            if let Some(systemd) = set.entries.get("systemd") {
                self.systemd(&raw(systemd, &definition.conditions))?;
            }
        }
        Ok(())
    }

    /// What is not known below `systemd` may be anything; where a declaration stands in it, it is found as one that was not
    /// reached.
    fn systemd(&mut self, systemd: &Raw) -> Outcome<()> {
        for (name, services) in self.entries(systemd)? {
            if &*name != "services" {
                continue;
            }
            for (name, service) in self.entries(&services)? {
                self.service(&name, &service)?;
            }
        }
        Ok(())
    }

    fn service(&mut self, name: &Rc<str>, service: &Raw) -> Outcome<()> {
        for definition in self.evaluator.discharged(std::slice::from_ref(service))? {
            let set = match definition.value {
                Value::Set(set) => set,
                function @ Value::Lambda(_) => {
                    let span = self.evaluator.span(definition.thunk);
                    let given = Value::Given(Given::Arguments(Some(Rc::clone(name))));
                    let arguments = self.evaluator.done(given, span);
                    match self.evaluator.apply(&function, arguments, span)? {
                        Value::Set(set) => set,
                        _ => continue,
                    }
                }
                _ => continue,
            };
            let Some(migrations) = set.entries.get(WORD) else {
                continue;
            };
            self.declare(migrations);
            let migrations = raw(migrations, &definition.conditions);
            self.services.entry(Rc::clone(name)).or_default().push(migrations);
        }
        Ok(())
    }

    fn entries(&self, raw_set: &Raw) -> Outcome<Vec<(Rc<str>, Raw)>> {
        let mut all = Vec::new();
        for definition in self.evaluator.discharged(std::slice::from_ref(raw_set))? {
            if let Value::Set(set) = &definition.value {
                let entries = set.entries.iter();
                all.extend(
                    entries.map(|(name, entry)| (Rc::clone(name), raw(entry, &definition.conditions))),
                );
            }
        }
        Ok(all)
    }

    /// Notes where the attributes of a module begin.
    fn place(&self, set: &Set) {
        for key in set.entries.values().flat_map(|entry| &*entry.keys) {
            let file = self.evaluator.sources.file(key.span.file);
            file.modules.borrow_mut().insert(key.path);
        }
    }

    /// Notes that a declaration was reached.
    fn declare(&self, entry: &Entry) {
        for key in &*entry.keys {
            let file = self.evaluator.sources.file(key.span.file);
            file.declared.borrow_mut().insert(key.span.start);
        }
    }

    fn rest(&mut self, set: &Set) {
        for rest in &set.rest {
            self.may_declare(&Value::Unknown(Rc::clone(rest)), rest.span);
        }
    }

    /// Notes something unknown in place of a module's attributes. A text without the word declares nothing.
    fn may_declare(&mut self, value: &Value, span: Span) {
        let file = self.evaluator.sources.file(span.file);
        if memmem::find(file.source.text.as_bytes(), WORD.as_bytes()).is_some() {
            let mystery = self.evaluator.mystery_of(value, span);
            self.unread.push(mystery);
        }
    }

    fn push(&mut self, reason: &str, span: Span) {
        self.unread.push(Rc::new(Mystery {
            reason: reason.to_owned(),
            span,
            node: None,
        }));
    }
}

/// An attribute as a definition of the option of its name.
pub(super) fn raw(entry: &Entry, conditions: &Conditions) -> Raw {
    Raw {
        value: entry.value,
        conditions: conditions.and(&entry.conditions),
        keys: Rc::clone(&entry.keys),
    }
}
