//! Criteria that stand on others: `_filter`, `_list`, and membership in a compartment.

use vesta_fhir::compartments::COMPARTMENTS;
use vesta_runtime::search::{Reference, SearchParameter, SearchParameterType as Kind};

use super::filter::{self, Filter, OPERATORS, Operator, Step};
use super::parse::Parser;
use super::query::{Criterion, IssueKind, Prefix, StringMode, Test, ValueTest, joined};
use super::table::ParameterTable;
use super::values::Reader;

/// What a type must meet, parameter by parameter, to stand in a list.
type Members = &'static [(&'static str, &'static [(&'static str, &'static str)])];

const ALLERGIES: [(&str, &str); 2] = [
    ("clinical-status", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical|active"),
    (
        "verification-status:not",
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification|refuted,\
         http://terminology.hl7.org/CodeSystem/allergyintolerance-verification|entered-in-error",
    ),
];

/// The functional lists of R4. A problem is current while it is active or has come back; a medication while its order or
/// statement is active, where it is more than a proposal.
const CURRENT: [(&str, Members); 4] = [
    (
        "$current-problems",
        &[(
            "Condition",
            &[
                (
                    "clinical-status",
                    "http://terminology.hl7.org/CodeSystem/condition-clinical|active,\
                     http://terminology.hl7.org/CodeSystem/condition-clinical|recurrence,\
                     http://terminology.hl7.org/CodeSystem/condition-clinical|relapse",
                ),
                ("category", "http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item"),
                (
                    "verification-status:not",
                    "http://terminology.hl7.org/CodeSystem/condition-ver-status|refuted,\
                     http://terminology.hl7.org/CodeSystem/condition-ver-status|entered-in-error",
                ),
            ],
        )],
    ),
    (
        "$current-medications",
        &[
            ("MedicationRequest", &[("status", "active"), ("intent:not", "proposal,option")]),
            ("MedicationStatement", &[("status", "active")]),
        ],
    ),
    ("$current-allergies", &[("AllergyIntolerance", &ALLERGIES)]),
    ("$current-drug-allergies", &[("AllergyIntolerance", &[ALLERGIES[0], ALLERGIES[1], ("category", "medication")])]),
];

impl Criterion {
    /// What lies in the compartment of a resource, of these types: by any of the parameters of the definition, or as
    /// that resource itself. <https://hl7.org/fhir/R4/compartmentdefinition.html>
    pub fn compartment(table: &ParameterTable, of: &str, id: &str, types: &[&'static str]) -> Option<Criterion> {
        let (_, members) = COMPARTMENTS.iter().find(|(name, _)| *name == of)?;
        let owner = table.entry(of)?.name;
        let reference =
            Reference { target_type: Some(owner.to_owned()), target_id: Some(id.to_owned()), ..Reference::default() };
        let mut any = Vec::new();
        for name in types {
            if *name == owner {
                any.push((owner, Criterion { code: "_id", negated: false, test: Test::Id(vec![id.to_owned()]) }));
            }
            let codes = members.iter().find(|(member, _)| member == name).map_or(&[][..], |(_, codes)| codes);
            for known in codes.iter().filter_map(|code| table.parameter(name, code)) {
                let test = Test::Any(vec![ValueTest::Reference(vec![reference.clone()])]);
                any.push((*name, Criterion { code: known.definition.code, negated: false, test }));
            }
        }
        Some(Criterion { code: "_compartment", negated: false, test: Test::Typed(any) })
    }
}

/// The types that a compartment has, and its own; none where there is no such compartment.
pub fn compartment_types(of: &str) -> Option<Vec<&'static str>> {
    let (owner, members) = COMPARTMENTS.iter().find(|(name, _)| *name == of)?;
    let mut types: Vec<&'static str> = members.iter().map(|(name, _)| *name).collect();
    if !types.contains(owner) {
        types.push(owner);
    }
    Some(types)
}

impl Parser<'_> {
    /// "Search for resources that are in the list": <https://hl7.org/fhir/R4/search.html#list>
    pub(super) fn list(&mut self, name: &str, value: &str) -> Option<Criterion> {
        if value.starts_with('$') {
            return self.current(name, value);
        }
        // By its search parameter a List names no Parameters.
        let item = self.table.parameter("List", "item")?.definition;
        if !self.search.types.iter().any(|of| item.targets.is_empty() || item.targets.contains(of)) {
            return Some(Criterion { code: "_id", negated: false, test: Test::Id(Vec::new()) });
        }
        let ids: Vec<&str> = value.split(',').map(|id| id.strip_prefix("List/").unwrap_or(id)).collect();
        self.has(name, "List:item:_id", &ids.join(","))
    }

    /// A list that nobody keeps: what it would hold is told by the record. `GET
    /// [base]/AllergyIntolerance?patient=42&_list=$current-allergies`: <https://hl7.org/fhir/R4/search.html#list>
    fn current(&mut self, name: &str, value: &str) -> Option<Criterion> {
        let Some((_, members)) = CURRENT.iter().find(|(list, _)| *list == value) else {
            let known: Vec<&str> = CURRENT.iter().map(|(list, _)| *list).collect();
            let message = format!(
                "{name}: the functional list {value:?} is not offered; {} are, or give the id of a List",
                known.join(", ")
            );
            self.ignore(name, IssueKind::NotSupported, message);
            return None;
        };
        let searched = self.search.types.clone();
        let mut parts = Vec::new();
        for of in &searched {
            let Some((_, asked)) = members.iter().find(|(member, _)| member == of) else { continue };
            self.search.types = vec![*of];
            // None where a parameter is still being indexed: that is told, and the list left out.
            let all = asked.iter().map(|(code, value)| self.criterion(name, code, value)).collect::<Option<Vec<_>>>();
            let Some(all) = all else {
                self.search.types = searched;
                return None;
            };
            parts.push((*of, Criterion { code: "_list", negated: false, test: Test::All(all) }));
        }
        self.search.types = searched;
        // What such a list never holds is not found.
        Some(Criterion { code: "_list", negated: false, test: Test::Typed(parts) })
    }

    /// Whether the parameter finds canonical resources by their `url`, which may come with a version then.
    pub(super) fn has_business_version(&self, code: &str) -> bool {
        code == "url" && self.definition("version").is_some_and(|version| version.kind == Kind::Token)
    }

    /// "Servers SHOULD support automatically detecting a `|[version]` portion as part of the search parameter, and
    /// interpreting that portion as a search on the version." <https://hl7.org/fhir/R4/search.html#uri>
    pub(super) fn of_versions(
        &mut self,
        name: &str,
        url: &'static SearchParameter,
        values: &[Vec<&str>],
    ) -> Option<Criterion> {
        let version = self.known(name, "version")?;
        let (table, now) = (self.table, self.now);
        let one = |definition: &'static SearchParameter, text: &str| {
            let test = Test::Any(vec![Reader { table, definition, modifier: None, now }.read(text)?]);
            Ok(Criterion { code: definition.code, negated: false, test })
        };
        let each = values.iter().map(|parts| match parts.as_slice() {
            [canonical, wanted] => {
                let test = Test::All(vec![one(url, canonical)?, one(version, wanted)?]);
                Ok(Criterion { code: url.code, negated: false, test })
            }
            parts => one(url, &parts.join("|")),
        });
        match each.collect::<Result<Vec<_>, String>>() {
            Ok(any) => Some(Criterion { code: url.code, negated: false, test: Test::OneOf(any) }),
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    /// <https://hl7.org/fhir/R4/search_filter.html>
    pub(super) fn filter(&mut self, name: &str, value: &str) -> Option<Criterion> {
        match filter::parse(value) {
            Ok(filter) => {
                let outer = std::mem::replace(&mut self.in_filter, true);
                let criterion = self.filtered(name, &filter);
                self.in_filter = outer;
                criterion
            }
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    fn filtered(&mut self, name: &str, filter: &Filter) -> Option<Criterion> {
        let each = |parser: &mut Self, parts: &[Filter]| {
            parts.iter().map(|part| parser.filtered(name, part)).collect::<Option<Vec<_>>>()
        };
        let test = match filter {
            Filter::All(parts) => Test::All(each(self, parts)?),
            Filter::Any(parts) => {
                let mut any = Vec::new();
                each(self, parts)?.into_iter().for_each(|part| joined(&mut any, part, false));
                // Values of one parameter.
                if let [_] = any.as_slice() {
                    return any.pop();
                }
                Test::OneOf(any)
            }
            Filter::Not(inner) => {
                let inner = self.filtered(name, inner)?;
                return Some(Criterion { code: "_filter", negated: true, test: Test::All(vec![inner]) });
            }
            Filter::Test { path, operator, value } => return self.path(name, path, *operator, value),
        };
        Some(Criterion { code: "_filter", negated: false, test })
    }

    fn path(&mut self, name: &str, path: &[Step], operator: Operator, value: &str) -> Option<Criterion> {
        let (step, rest) = path.split_first()?;
        if rest.is_empty() {
            if step.filter.is_some() {
                let message = format!("{name}: behind [ ] a path goes on, like related[type eq x].target");
                self.fail(name, IssueKind::Value, message);
                return None;
            }
            return self.comparison(name, &step.name, operator, value);
        }
        let (code, target_type) = match step.name.split_once(':') {
            Some((code, target)) => (code, Some(target)),
            None => (step.name.as_str(), None),
        };
        let definition = self.known(name, code)?;
        let next = match rest.first().map_or("", |next| next.name.as_str()) {
            "id" => "_id",
            next => next,
        };
        self.along(name, definition, target_type, next, &|parser| {
            let end = parser.path(name, rest, operator, value)?;
            let Some(filter) = &step.filter else { return Some(end) };
            let test = Test::All(vec![parser.filtered(name, filter)?, end]);
            Some(Criterion { code: "_filter", negated: false, test })
        })
    }

    /// One comparison, as the search for one value that it means.
    fn comparison(&mut self, name: &str, path: &str, operator: Operator, value: &str) -> Option<Criterion> {
        let code = if path == "id" { "_id" } else { path };
        let escaped = value.replace('\\', "\\\\").replace(',', "\\,");
        let plain = |parser: &mut Self, text: String| parser.criterion(name, code, &text);
        let operator_name = OPERATORS.iter().find(|(_, known)| *known == operator).map_or("", |(text, _)| text);
        if operator == Operator::Pr && code != "_list" {
            // Missing is the opposite of present.
            let asked = match value {
                "true" => "false",
                "false" => "true",
                other => other,
            };
            return self.criterion(name, &format!("{code}:missing"), asked);
        }
        if code.starts_with("_has:") || matches!(code, "_id" | "_list") {
            let found = plain(self, escaped);
            return match operator {
                Operator::Eq | Operator::Re => found,
                Operator::Ne => found.map(|criterion| Criterion { negated: !criterion.negated, ..criterion }),
                _ => self.no_operator(name, code, operator_name, "eq, ne"),
            };
        }
        if matches!(code, "_text" | "_content") {
            return match operator {
                Operator::Eq | Operator::Co => plain(self, escaped),
                _ => self.no_operator(name, code, operator_name, "eq, co, pr"),
            };
        }
        if code == "_lastUpdated" {
            return match prefix(operator) {
                Some(prefix) => plain(self, format!("{prefix}{value}")),
                None => self.no_operator(name, code, operator_name, "eq, ne, gt, lt, ge, le, ap, sa, eb"),
            };
        }
        let kind = self.known(name, code)?.kind;
        let with_prefix = |parser: &mut Self, text: &str| match prefix(operator) {
            Some(prefix) => parser.criterion(name, code, &format!("{prefix}{text}")),
            None => parser.no_operator(name, code, operator_name, "eq, ne, gt, lt, ge, le, ap, sa, eb, pr"),
        };
        match (kind, operator) {
            (Kind::Date, Operator::Po) => {
                // The periods as they are written, not widened as `ap` does.
                let mut found = plain(self, value.to_owned())?;
                if let Test::Any(tests) = &mut found.test {
                    for test in tests {
                        if let ValueTest::Date(date) = test {
                            date.prefix = Prefix::Ap;
                        }
                    }
                }
                Some(found)
            }
            (Kind::Date | Kind::Number, _) => with_prefix(self, value),
            (Kind::Quantity, _) => with_prefix(self, &escaped),
            (Kind::String, Operator::Eq | Operator::Ne | Operator::Co | Operator::Sw | Operator::Ew) => {
                let mut found = plain(self, escaped)?;
                let wanted = match operator {
                    Operator::Co => StringMode::Contains,
                    Operator::Sw => StringMode::StartsWith,
                    Operator::Ew => StringMode::EndsWith,
                    _ => StringMode::Equals,
                };
                if let Test::Any(tests) = &mut found.test {
                    for test in tests {
                        if let ValueTest::String { mode, .. } = test {
                            *mode = wanted;
                        }
                    }
                }
                Some(if operator == Operator::Ne { other_than(found) } else { found })
            }
            (Kind::Uri, Operator::Sw) => self.criterion(name, &format!("{code}:below"), &escaped),
            // `near`: the value is a place, which others lie within reach of or beyond.
            (Kind::Token | Kind::Uri | Kind::Reference | Kind::Composite | Kind::Special, Operator::Eq) => {
                plain(self, escaped)
            }
            (Kind::Reference, Operator::Re) => plain(self, escaped),
            (Kind::Token | Kind::Uri | Kind::Reference | Kind::Composite | Kind::Special, Operator::Ne) => {
                plain(self, escaped).map(other_than)
            }
            (Kind::Token, Operator::Ss) => self.criterion(name, &format!("{code}:below"), &escaped),
            (Kind::Token, Operator::Sb) => self.criterion(name, &format!("{code}:above"), &escaped),
            (Kind::Token, Operator::In) => self.criterion(name, &format!("{code}:in"), &escaped),
            (Kind::Token, Operator::Ni) => self.criterion(name, &format!("{code}:not-in"), &escaped),
            (Kind::String, _) => self.no_operator(name, code, operator_name, "eq, ne, co, sw, ew, pr"),
            (Kind::Token, _) => self.no_operator(name, code, operator_name, "eq, ne, ss, sb, in, ni, pr"),
            (Kind::Uri, _) => self.no_operator(name, code, operator_name, "eq, ne, sw, pr"),
            (Kind::Reference, _) => self.no_operator(name, code, operator_name, "eq, ne, re, pr"),
            _ => self.no_operator(name, code, operator_name, "eq, ne, pr"),
        }
    }

    fn no_operator(&mut self, name: &str, code: &str, operator: &str, known: &str) -> Option<Criterion> {
        let message = format!("{name}: {code} cannot be compared by {operator}; it can by {known}");
        self.fail(name, IssueKind::NotSupported, message);
        None
    }
}

/// "An item in the set has an unequal value": there is one, and none is equal.
fn other_than(found: Criterion) -> Criterion {
    let present = Criterion { code: found.code, negated: false, test: Test::Missing(false) };
    let none = Criterion { negated: !found.negated, ..found };
    Criterion { code: "_filter", negated: false, test: Test::All(vec![present, none]) }
}

fn prefix(operator: Operator) -> Option<&'static str> {
    Some(match operator {
        Operator::Eq => "eq",
        Operator::Ne => "ne",
        Operator::Gt => "gt",
        Operator::Lt => "lt",
        Operator::Ge => "ge",
        Operator::Le => "le",
        Operator::Ap => "ap",
        Operator::Sa => "sa",
        Operator::Eb => "eb",
        _ => return None,
    })
}
