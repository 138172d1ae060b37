//! `_sort`: the keys of the order, of the resource itself or of one that it refers to.
//! <https://hl7.org/fhir/R4/search.html#sort>

use vesta_runtime::search::SearchParameterType as Kind;

use super::parse::Parser;
use super::plan::MOST_KEYS;
use super::query::{IssueKind, Sort};
use super::table::is_in_tables;

/// Why a key cannot be used.
type Refusal = (IssueKind, String);

impl Parser<'_> {
    /// Keys that cannot be used are passed over one by one; the `self` link has those that are.
    pub(super) fn sort(&mut self, name: &str, value: &str) {
        let mut used = Vec::new();
        for key in value.split(',') {
            let (descending, path) = match key.strip_prefix('-') {
                Some(path) => (true, path),
                None => (false, key),
            };
            match self.sort_key(path, descending) {
                Err((kind, message)) => self.ignore(name, kind, message),
                Ok(_) if self.search.sort.len() == MOST_KEYS => {
                    let message = format!("_sort takes at most {MOST_KEYS} keys: it is not sorted by {path}");
                    self.ignore(name, IssueKind::NotSupported, message);
                }
                Ok(sort) => {
                    self.search.sort.push(sort);
                    used.push(key);
                }
            }
        }
        if !used.is_empty() {
            self.search.used.push((name.to_owned(), used.join(",")));
        }
    }

    /// `birthdate`, or along references: `patient.birthdate`, `subject:Patient.family`.
    fn sort_key(&self, path: &str, descending: bool) -> Result<Sort, Refusal> {
        let (mut types, mut along) = (self.search.types.clone(), Vec::new());
        let mut rest = path;
        while let Some((step, next)) = rest.split_once('.') {
            let most = self.table.limits().chain_steps;
            if along.len() == most {
                let message = format!("_sort={path}: a key of more than {most} steps is not sorted by here");
                return Err((IssueKind::TooCostly, message));
            }
            let code = next.split(['.', ':']).next().unwrap_or(next);
            let (by, targets) = self.sort_step(path, &types, step, code)?;
            along.push((by, targets.clone()));
            (types, rest) = (targets, next);
        }
        let (code, kind) = self.sorted_by(path, &mut types, rest, along.is_empty())?;
        // A code may be of another kind at another target.
        if let Some((_, targets)) = along.last_mut() {
            *targets = types;
        }
        Ok(Sort { along, code, kind, descending })
    }

    /// One reference of the way: its parameter, and the types it leads to that have a parameter `next`.
    fn sort_step(
        &self,
        path: &str,
        types: &[&'static str],
        step: &str,
        next: &str,
    ) -> Result<(&'static str, Vec<&'static str>), Refusal> {
        let (code, asked) = match step.split_once(':') {
            Some((code, asked)) => (code, Some(asked)),
            None => (step, None),
        };
        let known = types.iter().find_map(|of| self.table.parameter(of, code)).map(|known| known.definition);
        let Some(definition) = known.filter(|known| is_in_tables(known)) else {
            let message = match types {
                [one] => self.unknown_of(one, code),
                several => format!("_sort={path}: none of {} has a search parameter {code:?}", several.join(", ")),
            };
            return Err((IssueKind::Unknown, message));
        };
        if definition.kind != Kind::Reference {
            let message = format!("_sort={path}: {code} is no reference: no key can be chained to it");
            return Err((IssueKind::NotSupported, message));
        }
        if types.iter().any(|of| !self.table.is_indexed(of, definition.code)) {
            return Err(still_indexed(definition.code));
        }
        let any = definition.targets.is_empty() || definition.targets.contains(&"Resource");
        let targets: Vec<&'static str> = self
            .table
            .entries()
            .map(|entry| entry.name)
            .filter(|target| match asked {
                Some(asked) => *target == asked,
                None => any || definition.targets.contains(target),
            })
            .filter(|target| self.table.parameter(target, next).is_some())
            .collect();
        if targets.is_empty() {
            let message = format!(
                "_sort={path}: nothing that {code} may point to has a parameter {next:?}; a type is named like \
                 subject:Patient.family"
            );
            return Err((IssueKind::Unknown, message));
        }
        if targets.iter().any(|of| !self.is_reachable(of)) {
            return Err(still_indexed(definition.code));
        }
        Ok((definition.code, targets))
    }

    /// What is compared in the end; of several types those stay where it is of one kind.
    fn sorted_by(
        &self,
        path: &str,
        types: &mut Vec<&'static str>,
        code: &str,
        is_own: bool,
    ) -> Result<(&'static str, Kind), Refusal> {
        match code {
            "_id" if is_own => return Ok(("_id", Kind::Token)),
            "_lastUpdated" if is_own => return Ok(("_lastUpdated", Kind::Date)),
            _ => {}
        }
        let found = match types.as_slice() {
            [] => None,
            [_, _, ..] if is_own => None,
            several => several.iter().find_map(|of| self.table.parameter(of, code)),
        };
        let Some(definition) = found.map(|known| known.definition) else {
            return Err((IssueKind::Unknown, self.unknown(code)));
        };
        let can = match definition.kind {
            Kind::Date | Kind::String | Kind::Uri | Kind::Token | Kind::Reference => is_in_tables(definition),
            Kind::Number | Kind::Quantity => is_own,
            _ => false,
        };
        if !can {
            let why = match definition.kind {
                Kind::Composite => ", since its parts have no common order",
                _ => "",
            };
            let kinds = match is_own {
                true => "date, string, uri, token, reference, number or quantity",
                false => "date, string, uri, token or reference",
            };
            let or = if is_own { "_id, _lastUpdated, or " } else { "" };
            let message = format!("sorting by {path} is not supported{why}: sort by {or}a parameter of type {kinds}");
            return Err((IssueKind::NotSupported, message));
        }
        types.retain(|of| self.table.parameter(of, code).is_some_and(|one| one.definition.kind == definition.kind));
        let by_text = matches!(definition.kind, Kind::Token | Kind::Reference);
        let is_indexed =
            |of: &&str| self.table.is_indexed(of, definition.code) && (!by_text || self.table.has_texts(of));
        if !types.iter().all(is_indexed) {
            return Err(still_indexed(definition.code));
        }
        Ok((definition.code, definition.kind))
    }
}

fn still_indexed(code: &str) -> Refusal {
    (IssueKind::NotIndexed, format!("{code} is still being indexed: sort by it later"))
}
