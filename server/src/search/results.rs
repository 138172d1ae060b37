//! The parameters that shape the answer: `_sort`, `_count`, `_include` and their like.
//! <https://hl7.org/fhir/R4/search.html#modifyingresults>

use vesta_runtime::search::SearchParameterType as Kind;

use super::parse::{Name, Parser};
use super::query::{Contained, Include, IssueKind, Summary, Total};
use crate::access::AUDIT_EVENT;

pub(crate) const RESULT_PARAMETERS: [&str; 10] = [
    "_sort",
    "_count",
    "_include",
    "_revinclude",
    "_total",
    "_summary",
    "_elements",
    "_cursor",
    "_contained",
    "_containedType",
];

/// Those of which a second would contradict the first.
const ONCE: [&str; 6] = ["_count", "_total", "_summary", "_cursor", "_contained", "_containedType"];

fn contained(value: &str) -> Option<Contained> {
    match value {
        "false" => Some(Contained::False),
        "true" => Some(Contained::True),
        "both" => Some(Contained::Both),
        _ => None,
    }
}

impl Parser<'_> {
    /// True where the name is one of these, and is dealt with.
    pub(super) fn result_parameter(&mut self, name: &str, parsed: &Name<'_>, value: &str) -> bool {
        let code = parsed.code;
        if !RESULT_PARAMETERS.contains(&code) {
            return false;
        }
        let includes = matches!(code, "_include" | "_revinclude");
        if parsed.chain.is_some() || (parsed.modifier.is_some() && !includes) {
            self.fail(name, IssueKind::NotSupported, format!("{code} takes neither a modifier nor a chain"));
            return true;
        }
        if ONCE.contains(&code) && !self.once.insert(code.to_owned()) {
            let message = format!("{code} is there more than once: only the first counts, send it once");
            self.ignore(name, IssueKind::Value, message);
            return true;
        }
        match code {
            "_sort" => self.sort(name, value),
            "_count" => match value.parse() {
                Ok(count) => self.search.count = Some(count),
                Err(_) => self.fail(name, IssueKind::Value, "_count: a whole number from 0 was expected".to_owned()),
            },
            "_include" | "_revinclude" => self.include(name, code == "_revinclude", parsed.modifier, value),
            "_total" => match value {
                "none" => self.search.total = Total::None,
                "estimate" => self.search.total = Total::Estimate,
                "accurate" => self.search.total = Total::Accurate,
                _ => self.one_of(name, &["none", "estimate", "accurate"]),
            },
            "_summary" => match value {
                "true" => self.search.summary = Summary::True,
                "text" => self.search.summary = Summary::Text,
                "data" => self.search.summary = Summary::Data,
                "count" => self.search.summary = Summary::Count,
                "false" => self.search.summary = Summary::False,
                _ => self.one_of(name, &["true", "text", "data", "count", "false"]),
            },
            "_elements" => {
                let names: Vec<&str> = value.split(',').map(str::trim).collect();
                if names.contains(&"") {
                    let message = "_elements: names of elements were expected, with commas between them".to_owned();
                    self.fail(name, IssueKind::Value, message);
                }
                self.search.elements.extend(names.into_iter().map(str::to_owned));
            }
            // What these say was read before all others: see `contained`.
            "_contained" => match contained(value) {
                Some(_) => {}
                None => self.one_of(name, &["false", "true", "both"]),
            },
            "_containedType" => match value {
                "container" | "contained" => {}
                _ => self.one_of(name, &["container", "contained"]),
            },
            _ => self.search.cursor = Some(value.to_owned()),
        }
        true
    }

    /// `_contained` and `_containedType`, on which it depends how others are read.
    /// <https://hl7.org/fhir/R4/search.html#contained>
    pub(super) fn contained(&mut self, parameters: &[(String, String)]) {
        let first = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        self.search.contained = first("_contained").and_then(contained).unwrap_or_default();
        self.search.contained_alone = first("_containedType") == Some("contained");
    }

    /// A container with several matches has the least of their values, or the greatest: databases tell it of texts and
    /// times.
    pub(super) fn sorted_containers(&mut self) {
        if self.search.contained == Contained::False || self.search.contained_alone {
            return;
        }
        let numbers = self.search.sort.iter().find(|key| matches!(key.kind, Kind::Number | Kind::Quantity));
        if let Some(code) = numbers.map(|key| key.code) {
            let message =
                format!("_sort: containers are not sorted by the numbers of {code}: add _containedType=contained");
            self.fail("_sort", IssueKind::NotSupported, message);
        }
    }

    /// What is not asked of contained resources.
    pub(super) fn not_of_contained(&mut self, name: &str, code: &str) -> bool {
        let asks = self.steps == 0 && self.search.contained != Contained::False;
        if asks {
            let message = format!("{name}: {code} finds no contained resources: search with _contained=false");
            self.fail(name, IssueKind::NotSupported, message);
        }
        asks
    }

    fn one_of(&mut self, name: &str, known: &[&str]) {
        self.fail(name, IssueKind::Value, format!("{name}: one of {} was expected", known.join(", ")));
    }

    /// <https://hl7.org/fhir/R4/search.html#revinclude>
    fn include(&mut self, name: &str, reverse: bool, modifier: Option<&str>, value: &str) {
        if let Some(modifier) = modifier.filter(|modifier| *modifier != "iterate") {
            self.fail(
                name,
                IssueKind::NotSupported,
                format!("{name}: :{modifier} is not a modifier of it; it takes :iterate"),
            );
            return;
        }
        let iterate = modifier.is_some();
        self.includes += 1;
        let most = self.table.limits().includes;
        if self.includes > most {
            let message = format!("{name}: at most {most} of _include and _revinclude are taken");
            self.fail(name, IssueKind::TooCostly, message);
            return;
        }
        if value == "*" && reverse {
            return self.include_all_that_refer(name, iterate);
        }
        if value == "*" {
            for source in self.search.types.clone() {
                let references = self.references(source);
                let all = references.into_iter().map(|code| Include { reverse, source, code, target: None, iterate });
                self.search.includes.extend(all);
            }
            return;
        }
        let parts: Vec<&str> = value.split(':').collect();
        let (source, code, target) = match parts.as_slice() {
            [source, code] => (*source, *code, None),
            [source, code, target] => (*source, *code, Some(*target)),
            _ => {
                let message = format!("{name}: *, [type]:[parameter] or [type]:[parameter]:[target type] was expected");
                self.fail(name, IssueKind::Value, message);
                return;
            }
        };
        let Some(source) = self.table.entry(source).map(|entry| entry.name) else {
            self.fail(name, IssueKind::Value, format!("{name}: {source:?} is no resource type of FHIR R4"));
            return;
        };
        // Containers are of other types.
        let is_searched = self.search.types.contains(&source) || self.search.contained != Contained::False;
        if !reverse && !iterate && !is_searched {
            self.fail(name, IssueKind::Value, format!("{name}: {source} is not what is searched"));
            return;
        }
        let target = match target.map(|target| self.table.entry(target).map(|entry| entry.name)) {
            Some(None) => {
                self.fail(name, IssueKind::Value, format!("{name}: the target is no resource type of FHIR R4"));
                return;
            }
            Some(found) => found,
            None => None,
        };
        let references = self.references(source);
        let known: Vec<&'static str> =
            references.iter().copied().filter(|reference| code == "*" || *reference == code).collect();
        if known.is_empty() {
            let message =
                format!("{name}: {source} has no reference parameter {code:?}; it has {}", references.join(", "));
            self.ignore(name, IssueKind::Unknown, message);
            return;
        }
        if reverse && known.iter().any(|code| !self.table.is_indexed(source, code)) {
            let message = format!("{name}: references of {source} are still being indexed: include by them later");
            self.ignore(name, IssueKind::NotIndexed, message);
            return;
        }
        self.search.includes.extend(known.into_iter().map(|code| Include { reverse, source, code, target, iterate }));
    }

    /// `_revinclude=*`: by whatever parameter may point to what is searched, or with `:iterate` to anything.
    fn include_all_that_refer(&mut self, name: &str, iterate: bool) {
        let table = self.table;
        let types = self.search.types.clone();
        let may_point = |targets: &[&'static str]| {
            iterate || targets.is_empty() || targets.iter().any(|of| *of == "Resource" || types.contains(of))
        };
        // Entries of the audit log refer to much, and are not among what is stored.
        for source in table.entries().map(|entry| entry.name).filter(|name| *name != AUDIT_EVENT) {
            let references = table.parameters(source).map(|parameter| parameter.definition);
            let references = references.filter(|one| one.kind == Kind::Reference && may_point(one.targets));
            let codes: Vec<&'static str> = references.map(|definition| definition.code).collect();
            if codes.iter().any(|code| !table.is_indexed(source, code)) {
                let message = format!("{name}: references of {source} are still being indexed: include by them later");
                self.ignore(name, IssueKind::NotIndexed, message);
                continue;
            }
            let all = codes.into_iter().map(|code| Include { reverse: true, source, code, target: None, iterate });
            self.search.includes.extend(all);
        }
    }

    fn references(&self, of: &str) -> Vec<&'static str> {
        let of_kind = self.table.parameters(of).filter(|parameter| parameter.definition.kind == Kind::Reference);
        of_kind.map(|parameter| parameter.definition.code).collect()
    }
}
