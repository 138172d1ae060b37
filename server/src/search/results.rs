//! The parameters that shape the answer: `_sort`, `_count`, `_include` and their like.
//! <https://hl7.org/fhir/R4/search.html#modifyingresults>

use vesta_runtime::search::SearchParameterType as Kind;

use super::parse::Parser;
use super::query::{Include, IssueKind, Sort, Summary, Total};

impl Parser<'_> {
    /// True where the name is one of these, and is dealt with.
    pub(super) fn result_parameter(&mut self, name: &str, code: &str, modifier: Option<&str>, value: &str) -> bool {
        match code {
            "_sort" => self.sort(name, value),
            "_count" => match value.parse() {
                Ok(count) => self.search.count = Some(count),
                Err(_) => self.fail(name, IssueKind::Value, "_count: a whole number from 0 was expected".to_owned()),
            },
            "_include" | "_revinclude" => self.include(name, code == "_revinclude", modifier, value),
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
                self.search
                    .elements
                    .extend(value.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned));
            }
            "_cursor" => self.search.cursor = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    fn one_of(&mut self, name: &str, known: &[&str]) {
        self.fail(name, IssueKind::Value, format!("{name}: one of {} was expected", known.join(", ")));
    }

    fn sort(&mut self, name: &str, value: &str) {
        for key in value.split(',') {
            let (descending, code) = match key.strip_prefix('-') {
                Some(code) => (true, code),
                None => (false, key),
            };
            let found = match code {
                "_id" => Some(("_id", Kind::Token)),
                "_lastUpdated" => Some(("_lastUpdated", Kind::Date)),
                _ => match self.search.types.as_slice() {
                    [one] => {
                        self.table.parameter(one, code).map(|known| (known.definition.code, known.definition.kind))
                    }
                    _ => None,
                },
            };
            match found {
                None => {
                    let message = self.unknown(code);
                    self.ignore(name, IssueKind::Unknown, message);
                }
                Some((code, kind))
                    if code.starts_with('_') || matches!(kind, Kind::Date | Kind::String | Kind::Uri) =>
                {
                    if self.search.types.iter().all(|of| self.table.is_indexed(of, code)) {
                        self.search.sort.push(Sort { code, kind, descending });
                    } else {
                        let message = format!("{code} is still being indexed: sort by it later");
                        self.ignore(name, IssueKind::NotIndexed, message);
                    }
                }
                Some((code, _)) => {
                    let message = format!(
                        "sorting by {code} is not supported: sort by _id, _lastUpdated, or a parameter of type date, \
                         string or uri"
                    );
                    self.ignore(name, IssueKind::NotSupported, message);
                }
            }
        }
    }

    /// <https://hl7.org/fhir/R4/search.html#revinclude>
    fn include(&mut self, name: &str, reverse: bool, modifier: Option<&str>, value: &str) {
        if let Some(modifier) = modifier {
            self.fail(
                name,
                IssueKind::NotSupported,
                format!("{name}: :{modifier} is not supported; includes go one step"),
            );
            return;
        }
        let parts: Vec<&str> = value.split(':').collect();
        let (source, code, target) = match parts.as_slice() {
            [source, code] => (*source, *code, None),
            [source, code, target] => (*source, *code, Some(*target)),
            _ => {
                let message = format!("{name}: [type]:[parameter] or [type]:[parameter]:[target type] was expected");
                self.fail(name, IssueKind::Value, message);
                return;
            }
        };
        let Some(source) = self.table.entry(source).map(|entry| entry.name) else {
            self.fail(name, IssueKind::Value, format!("{name}: {source:?} is no resource type of FHIR R4"));
            return;
        };
        if !reverse && !self.search.types.contains(&source) {
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
        let references: Vec<&'static str> = self
            .table
            .parameters(source)
            .filter(|parameter| parameter.definition.kind == Kind::Reference)
            .map(|parameter| parameter.definition.code)
            .collect();
        let known: Vec<&'static str> =
            references.iter().copied().filter(|reference| code == "*" || *reference == code).collect();
        if known.is_empty() {
            let message =
                format!("{name}: {source} has no reference parameter {code:?}; it has {}", references.join(", "));
            self.ignore(name, IssueKind::Unknown, message);
            return;
        }
        self.search.includes.extend(known.into_iter().map(|code| Include { reverse, source, code, target }));
    }
}
