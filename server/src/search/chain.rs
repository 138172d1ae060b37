//! Names that go from one resource to another: `subject:Patient.name`, `_has:Observation:patient:code`, and both inside
//! one another. <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>

use vesta_runtime::search::{SearchParameter, SearchParameterType as Kind};

use super::parse::{Name, Parser};
use super::query::{Criterion, IssueKind, Test};
use super::table::is_in_tables;

impl Parser<'_> {
    /// `code[:type].rest`: of what the reference points to, as a search over that type would read the rest.
    pub(super) fn chain(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        target_type: Option<&str>,
        rest: &str,
        value: &str,
    ) -> Option<Criterion> {
        self.along(name, definition, target_type, rest, &|parser| parser.criterion(name, rest, value))
    }

    /// Along a reference, to each type that has a parameter `next`; what it must meet there, `read` tells.
    pub(super) fn along(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        target_type: Option<&str>,
        next: &str,
        read: &dyn Fn(&mut Self) -> Option<Criterion>,
    ) -> Option<Criterion> {
        let code = definition.code;
        if definition.kind != Kind::Reference {
            self.fail(name, IssueKind::Value, format!("{code} is no reference: nothing can be chained to it"));
            return None;
        }
        if let Some(modifier) = target_type.filter(|of| self.table.entry(of).is_none()) {
            let message =
                format!("{name}: before a chained parameter stands a resource type, and {modifier:?} is none");
            self.fail(name, IssueKind::NotSupported, message);
            return None;
        }
        let any = definition.targets.is_empty() || definition.targets.contains(&"Resource");
        let inner = Name::parse(next).code;
        let targets: Vec<&'static str> = self
            .table
            .entries()
            .map(|entry| entry.name)
            .filter(|target| match target_type {
                Some(asked) => *target == asked,
                None => any || definition.targets.contains(target),
            })
            .filter(|target| match next.split(':').next() {
                Some("_has") => true,
                _ => {
                    let is_of_every_type = matches!(inner, "_id" | "_lastUpdated" | "_list" | "_filter");
                    is_of_every_type || self.table.parameter(target, inner).is_some()
                }
            })
            .collect();
        if targets.is_empty() {
            let message = match target_type {
                Some(target) => format!("{name}: {}", self.unknown_of(target, inner)),
                None => format!("{name}: nothing that {code} may point to has a parameter {inner:?}"),
            };
            self.ignore(name, IssueKind::Unknown, message);
            return None;
        }
        let mut criteria = Vec::new();
        for target in targets {
            criteria.push((target, self.step(name, target, read)?));
        }
        Some(Criterion { code, negated: false, test: Test::Chain(criteria) })
    }

    /// `rest` is what follows `_has:`. "Select the patients that have an Observation that refers to them":
    /// <https://hl7.org/fhir/R4/search.html#has>
    pub(super) fn has(&mut self, name: &str, rest: &str, value: &str) -> Option<Criterion> {
        let mut parts = rest.splitn(3, ':');
        let (Some(source), Some(code), Some(inner)) = (parts.next(), parts.next(), parts.next()) else {
            let message = format!("{name}: _has:[type]:[reference parameter]:[parameter] was expected");
            self.fail(name, IssueKind::Value, message);
            return None;
        };
        let Some(source) = self.table.entry(source).map(|entry| entry.name) else {
            self.fail(name, IssueKind::Value, format!("{name}: {source:?} is no resource type of FHIR R4"));
            return None;
        };
        let definition = match self.table.parameter(source, code).map(|known| known.definition) {
            Some(definition) if is_in_tables(definition) => definition,
            _ => {
                let message = format!("{name}: {}", self.unknown_of(source, code));
                self.ignore(name, IssueKind::Unknown, message);
                return None;
            }
        };
        let points = |of: &&str| definition.targets.is_empty() || definition.targets.contains(of);
        if definition.kind != Kind::Reference || !self.search.types.iter().any(points) {
            let message = format!("{name}: {source}.{code} refers to nothing of the type that is searched");
            self.fail(name, IssueKind::Value, message);
            return None;
        }
        if !self.table.is_indexed(source, definition.code) {
            self.not_indexed_by(name, definition);
            return None;
        }
        if self.search.types.iter().any(|of| !self.is_reachable(of)) {
            self.not_indexed(name, "_has");
            return None;
        }
        let criterion = self.step(name, source, &|parser| parser.criterion(name, inner, value))?;
        let test = Test::Referred { source, code: definition.code, criterion: Box::new(criterion) };
        Some(Criterion { code: "_has", negated: false, test })
    }

    /// One step along a reference: reads what follows as a search over `of` would.
    fn step(
        &mut self,
        name: &str,
        of: &'static str,
        read: &dyn Fn(&mut Self) -> Option<Criterion>,
    ) -> Option<Criterion> {
        let most = self.table.limits().chain_steps;
        if self.steps == most {
            let message = format!("{name}: a chain of more than {most} steps is not answered here");
            self.fail(name, IssueKind::TooCostly, message);
            return None;
        }
        if !self.is_reachable(of) {
            self.not_indexed(name, name);
            return None;
        }
        let outer = std::mem::replace(&mut self.search.types, vec![of]);
        self.steps += 1;
        let criterion = read(self);
        self.steps -= 1;
        self.search.types = outer;
        criterion
    }

    /// Whether every resource of the type has the row that chains know it by.
    pub(super) fn is_reachable(&self, of: &str) -> bool {
        self.table.identity(of).is_none_or(|(_, is_complete)| is_complete)
    }
}
