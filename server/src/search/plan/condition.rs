//! A criterion as a condition on the key of a resource.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Query};
use vesta_runtime::search::SearchParameterType as Kind;

use super::join::{all_of, always, any_of, never, one_of};
use super::row::{Columns, End, Part, Range, RowCondition, RowTest, date, starts_with};
use super::sort::is_plain;
use super::{Planner, Within};
use crate::search::matching::media_below;
use crate::search::paths::Systems;
use crate::search::place::is_near;
use crate::search::query::{Criterion, DateTest, NumberTest, StringMode, Test, Unit, UriMode, ValueTest};
use crate::search::table::Parameter;
use crate::store::index::contained::container;
use crate::store::index::several::{self, has_several, several_hash, uri_hash};
use crate::store::index::{Column, IndexTable, Meaning, composite_hash, contained_hash, cut, reference_hashes};
use crate::store::schema::{Patient, Resource};

/// One instant each: what `last_updated` holds.
pub(super) fn instants(tests: &[DateTest], at: &Expr) -> Option<Expr> {
    any_of(tests.iter().map(|test| date(test, at.clone(), at.clone())))
}

pub(super) fn parameter_is(row: &'static str, ids: &[i32]) -> Expr {
    let parameter = Expr::col((row, Column::Parameter));
    match ids {
        [one] => parameter.eq(*one),
        several => parameter.is_in(several.iter().copied()),
    }
}

/// The tests as one test on rows of one table, where they are.
pub(super) fn any_row(planner: &Planner<'_>, parameter: &Parameter, tests: &[ValueTest]) -> Option<RowTest> {
    let mut groups = groups(planner, &[parameter], tests);
    if groups.len() == 1 { groups.pop() } else { None }
}

/// In which forms tokens are asked for: by whether those of the parameter, or of a composite's parts, have systems.
#[derive(Clone, Copy)]
struct Forms<'a> {
    whole: Systems,
    parts: &'a [Systems],
}

impl<'a> Forms<'a> {
    /// Where the parameters of several types differ, every form is asked for.
    fn of(parameters: &[&'a Parameter]) -> Forms<'a> {
        let all = Forms { whole: Systems::Unknown, parts: &[] };
        let Some(first) = parameters.first() else { return all };
        let same = parameters.iter().all(|parameter| {
            parameter.systems == first.systems && parameter.component_systems == first.component_systems
        });
        if same { Forms { whole: first.systems, parts: &first.component_systems } } else { all }
    }
}

/// The tests as tests on rows, one a table, of parameters of one code and several types.
pub(super) fn groups(planner: &Planner<'_>, parameters: &[&Parameter], tests: &[ValueTest]) -> Vec<RowTest> {
    let forms = Forms::of(parameters);
    let mut groups: Vec<RowTest> = Vec::new();
    for (table, condition) in tests.iter().flat_map(|test| planner.rows(forms, test)) {
        match groups.iter_mut().find(|group| group.table == table) {
            Some(group) => group.any.push(condition),
            None => groups.push(RowTest { table, any: vec![condition] }),
        }
    }
    groups
}

impl Planner<'_> {
    pub(super) fn number(&self, of: &str) -> i32 {
        self.table.entry(of).map_or(-1, |entry| i32::from(entry.number))
    }

    pub(super) fn is_one_of(&self, column: Expr, wanted: &[String]) -> Expr {
        one_of(self.backend, column, &wanted.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The key by which compartment rows know the patient.
    pub(super) fn patient_key(&self, id: &str) -> Expr {
        let mut statement = Query::select();
        statement
            .expr(Expr::col(("who", Patient::Key)))
            .from(self.names.table_as(Patient::Table, "who"))
            .and_where(Expr::col(("who", Patient::Id)).eq(id));
        Expr::SubQuery(None, Box::new(statement.into()))
    }

    pub(super) fn resource_column(&self, column: Resource, key: &Expr) -> Expr {
        let mut statement = Query::select();
        statement
            .expr(Expr::col(("held", column)))
            .from(self.names.table_as(Resource::Table, "held"))
            .and_where(Expr::col(("held", Resource::Key)).eq(key.clone()));
        Expr::SubQuery(None, Box::new(statement.into()))
    }

    /// Whether the resource with this key meets the criterion.
    pub(super) fn criterion(
        &self,
        types: &[&'static str],
        criterion: &Criterion,
        key: &Expr,
        within: Within<'_>,
    ) -> Expr {
        let parameters: Vec<&Parameter> =
            types.iter().filter_map(|of| self.table.parameter(of, criterion.code)).collect();
        let ids: Vec<i32> = parameters.iter().map(|parameter| within.id(parameter.id)).collect();
        let condition = match &criterion.test {
            Test::Id(wanted) if within.contained => self.is_contained_as(types, wanted, key),
            Test::LastUpdated(tests) if within.contained => {
                let at = self.resource_column(Resource::LastUpdated, &container(key.clone()));
                instants(tests, &at).unwrap_or_else(never)
            }
            Test::Id(wanted) => self.is_one_of(self.resource_column(Resource::Id, key), wanted),
            Test::LastUpdated(tests) => {
                instants(tests, &self.resource_column(Resource::LastUpdated, key)).unwrap_or_else(never)
            }
            Test::All(parts) => {
                all_of(parts.iter().map(|part| self.criterion(types, part, key, within))).unwrap_or_else(always)
            }
            Test::OneOf(parts) => {
                any_of(parts.iter().map(|part| self.criterion(types, part, key, within))).unwrap_or_else(never)
            }
            Test::Typed(parts) => {
                let of_types = parts.iter().filter(|(of, _)| types.contains(of)).map(|(of, part)| {
                    let met = self.criterion(&[of], part, key, within);
                    match part.test {
                        // Rows are of parameters of one type; an id is not.
                        Test::Id(_) => met.and(self.resource_column(Resource::Type, key).eq(self.number(of))),
                        _ => met,
                    }
                });
                any_of(of_types).unwrap_or_else(never)
            }
            Test::Referred { source, code, criterion } => {
                self.is_referred_to(types, (source, code), criterion, key, within)
            }
            _ if parameters.is_empty() => never(),
            // The words of what is contained are its container's.
            Test::Words(_) if within.contained => never(),
            Test::Missing(missing) if within.contained && matches!(criterion.code, "_text" | "_content") => {
                if *missing { always() } else { never() }
            }
            Test::Words(words) => self.has_words(criterion.code, &ids, Some(words), key),
            Test::Missing(missing) if matches!(criterion.code, "_text" | "_content") => {
                let present = self.has_words(criterion.code, &ids, None, key);
                if *missing { present.not() } else { present }
            }
            Test::Missing(missing) => {
                let present = self.any_present(&parameters, key, within);
                if *missing { present.not() } else { present }
            }
            Test::Any(tests) => {
                let probes = groups(self, &parameters, tests).into_iter().flat_map(RowTest::probes).map(|group| {
                    // Without statistics SQLite takes the index by value, and scans it for every resource.
                    let hide = self.backend == DbBackend::Sqlite && group.has_range_index();
                    let columns = if hide { Columns::Hidden } else { Columns::Plain };
                    let condition = group.expr(self.backend, "row", columns);
                    self.has_row(group.table, &ids, Some(condition), key, group.is_probe())
                });
                any_of(probes).unwrap_or_else(never)
            }
            Test::Chain(targets) => key.clone().in_subquery(self.referring(&ids, targets, within)),
        };
        if criterion.negated { condition.not() } else { condition }
    }

    /// Whether what is contained has one of these ids.
    fn is_contained_as(&self, types: &[&'static str], wanted: &[String], key: &Expr) -> Expr {
        let hashes: Vec<i64> = wanted.iter().map(|id| contained_hash(self.table.hash_key(), id)).collect();
        let ids: Vec<i32> = self.identities(types).into_iter().map(|id| -id).collect();
        let named = one_of(self.backend, Expr::col(("row", Column::Value)), &hashes);
        self.has_row(IndexTable::IndexIdentity, &ids, Some(named), key, true)
    }

    fn has_row(&self, table: IndexTable, ids: &[i32], condition: Option<Expr>, key: &Expr, probe: bool) -> Expr {
        let mut statement = Query::select();
        statement
            .from(self.names.table_as(table, "row"))
            .and_where(parameter_is("row", ids))
            .and_where_option(condition);
        let resource = Expr::col(("row", Column::Resource));
        if probe {
            statement.expr(Func::count(Expr::col(Asterisk))).and_where(resource.eq(key.clone()));
            Expr::SubQuery(None, Box::new(statement.into())).gt(0)
        } else if self.backend == DbBackend::Postgres {
            // Its opposite is an anti join. `not in` is none: what is known not to fit into memory is gone through for each resource.
            statement.expr(Expr::cust("1")).and_where(resource.eq(key.clone()));
            Expr::exists(statement)
        } else {
            statement.expr(resource);
            key.clone().in_subquery(statement)
        }
    }

    /// Parameters of one code may be of several kinds, where they are of several types.
    fn any_present(&self, parameters: &[&Parameter], key: &Expr, within: Within<'_>) -> Expr {
        let mut by_kind: Vec<(&Parameter, Vec<i32>)> = Vec::new();
        for parameter in parameters {
            let same = |known: &&Parameter| known.definition.kind == parameter.definition.kind;
            match by_kind.iter_mut().find(|(known, _)| same(known)) {
                Some((_, ids)) => ids.push(within.id(parameter.id)),
                None => by_kind.push((parameter, vec![within.id(parameter.id)])),
            }
        }
        any_of(by_kind.iter().map(|(parameter, ids)| self.is_present(parameter, ids, key))).unwrap_or_else(never)
    }

    fn is_present(&self, parameter: &Parameter, ids: &[i32], key: &Expr) -> Expr {
        let ranges = [Kind::Date, Kind::Number, Kind::Quantity];
        let (table, probe) = match parameter.definition.kind {
            Kind::String => (IndexTable::IndexString, true),
            Kind::Reference => (IndexTable::IndexReference, false),
            Kind::Uri => (IndexTable::IndexUri, false),
            Kind::Date => (IndexTable::IndexDate, true),
            Kind::Number => (IndexTable::IndexNumber, true),
            Kind::Quantity => (IndexTable::IndexQuantity, true),
            Kind::Composite if has_several(parameter.definition) => (IndexTable::IndexComposite, false),
            Kind::Composite => {
                let kinds = || parameter.definition.components.iter().map(|component| component.kind);
                if kinds().any(|kind| ranges.contains(&kind)) {
                    (IndexTable::IndexComposite, false)
                } else if kinds().any(|kind| kind == Kind::String) {
                    (IndexTable::IndexString, true)
                } else if kinds().any(|kind| kind == Kind::Uri) {
                    (IndexTable::IndexUri, false)
                } else {
                    (IndexTable::IndexToken, false)
                }
            }
            Kind::Special if is_near(parameter.definition) => (IndexTable::IndexDate, true),
            Kind::Token | Kind::Special => (IndexTable::IndexToken, false),
        };
        self.has_row(table, ids, is_plain("row", table), key, probe)
    }

    /// The rows, any of which a resource has that passes the test.
    fn rows(&self, forms: Forms<'_>, test: &ValueTest) -> Vec<(IndexTable, RowCondition)> {
        let hash = |meaning, parts: &[&str]| self.table.hash_key().hash(meaning, parts);
        match test {
            ValueTest::Token { .. } | ValueTest::Reference(_) => {
                let table = if matches!(test, ValueTest::Token { .. }) {
                    IndexTable::IndexToken
                } else {
                    IndexTable::IndexReference
                };
                self.hashes(forms.whole, test).into_iter().map(|hash| (table, RowCondition::Hash(hash))).collect()
            }
            ValueTest::IdentifierOfType { system, code, value } => {
                let hash = hash(Meaning::IdentifierOfType, &[system, code, value]);
                vec![(IndexTable::IndexToken, RowCondition::Hash(hash))]
            }
            ValueTest::TokenText(start) => {
                vec![(IndexTable::IndexToken, self.displayed(Meaning::Display, start))]
            }
            ValueTest::CanonicalBelow { url, version } => {
                let below = hash(Meaning::UrlVersionBelow, &[url, version]);
                vec![(IndexTable::IndexReference, RowCondition::Hash(below))]
            }
            ValueTest::MediaBelow(start) => vec![(IndexTable::IndexToken, self.media(start))],
            ValueTest::CodeText(start) => vec![(IndexTable::IndexToken, self.displayed(Meaning::Code, start))],
            ValueTest::ReferenceIdentifier { system, value } => {
                let hash = match system {
                    Some(system) => hash(Meaning::Identifier, &[system, value]),
                    None => hash(Meaning::IdentifierValue, &[value]),
                };
                vec![(IndexTable::IndexToken, RowCondition::Hash(hash))]
            }
            ValueTest::String { mode, folded, exact } => {
                let condition = match mode {
                    StringMode::StartsWith => RowCondition::StartsWith(folded.clone()),
                    StringMode::Contains => RowCondition::Contains(folded.clone()),
                    StringMode::Equals => RowCondition::Equals(folded.clone()),
                    StringMode::EndsWith => RowCondition::EndsWith(folded.clone()),
                    StringMode::Exact => {
                        RowCondition::Exact { folded: folded.clone(), exact: hash(Meaning::Exact, &[exact]) }
                    }
                };
                vec![(IndexTable::IndexString, condition)]
            }
            ValueTest::Uri { mode, uri } => {
                let condition = match mode {
                    UriMode::Exact => RowCondition::Uri(uri.clone()),
                    UriMode::Below => RowCondition::StartsWith(cut(uri).0.to_owned()),
                    UriMode::Above => RowCondition::Above(uri.clone()),
                };
                vec![(IndexTable::IndexUri, condition)]
            }
            ValueTest::Date(test) => vec![(IndexTable::IndexDate, RowCondition::Date(*test))],
            ValueTest::Number(test) => vec![(IndexTable::IndexNumber, RowCondition::Number(*test))],
            ValueTest::Quantity { number, unit } => {
                vec![(IndexTable::IndexQuantity, self.quantity(None, number, unit))]
            }
            ValueTest::Near(near) => vec![(IndexTable::IndexDate, RowCondition::Near(*near))],
            ValueTest::Composite(parts) => self.composite(forms.parts, parts),
        }
    }

    /// The hashes of the texts that begin so.
    fn displayed(&self, meaning: Meaning, start: &str) -> RowCondition {
        self.shown(meaning, starts_with(|| Expr::col(("shown", Column::Text)), start))
    }

    /// The hashes of the media types below this one.
    fn media(&self, start: &str) -> RowCondition {
        let text = || Expr::col(("shown", Column::Text));
        let longer = media_below(start).into_iter().map(|longer| starts_with(text, &longer));
        self.shown(Meaning::Code, any_of([text().eq(start)].into_iter().chain(longer)).unwrap_or_else(never))
    }

    fn shown(&self, meaning: Meaning, text: Expr) -> RowCondition {
        let column = |column: Column| Expr::col(("shown", column));
        let hashes = Query::select()
            .expr(column(Column::Value))
            .from(self.names.table_as(IndexTable::IndexDisplay, "shown"))
            .and_where(column(Column::Meaning).eq(meaning as i16))
            .and_where(text)
            .take();
        RowCondition::Selected(Box::new(hashes))
    }

    /// The hashes of which a resource has one that passes this test of equality.
    fn hashes(&self, systems: Systems, test: &ValueTest) -> Vec<i64> {
        let hash = |meaning, parts: &[&str]| self.table.hash_key().hash(meaning, parts);
        match test {
            ValueTest::Token { system: None, code: Some(code) } => vec![hash(Meaning::Code, &[code])],
            ValueTest::Token { system: Some(system), code: Some(code) } => {
                let both = || hash(Meaning::SystemAndCode, &[system, code]);
                match systems {
                    Systems::Always => vec![both()],
                    Systems::Never => vec![hash(Meaning::Code, &[code])],
                    Systems::Unknown => vec![both(), hash(Meaning::CodeWithoutSystem, &[code])],
                }
            }
            ValueTest::Token { system: Some(system), code: None } => vec![hash(Meaning::System, &[system])],
            ValueTest::Reference(references) => references
                .iter()
                .filter_map(|one| reference_hashes(self.table.hash_key(), self.table.base(), one).pop())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The hashes of the unit, and of its text where that is asked for.
    fn unit(&self, unit: &Unit) -> (i64, Option<i64>) {
        let key = self.table.hash_key();
        match unit {
            Unit::Any => (0, None),
            Unit::Text(text) => (0, Some(key.hash(Meaning::UnitText, &[text]))),
            Unit::Canonical(unit) => (key.hash(Meaning::CanonicalUnit, &[unit]), None),
            Unit::Coded { system, code } => (key.hash(Meaning::UnitSystemAndCode, &[system, code]), None),
        }
    }

    fn quantity(&self, with: Option<i64>, number: &NumberTest, unit: &Unit) -> RowCondition {
        let key = self.table.hash_key();
        let (unit, code) = self.unit(unit);
        let (column, hash) = match with {
            Some(with) => (Column::Value, composite_hash(key, &[with, unit])),
            None => (Column::Unit, unit),
        };
        RowCondition::Quantity { column, hash, code, range: Range::Number(*number) }
    }

    /// See `store::index::derive::composite`.
    fn composite(&self, systems: &[Systems], parts: &[ValueTest]) -> Vec<(IndexTable, RowCondition)> {
        let key = self.table.hash_key();
        let is_other = |part: &&ValueTest| !matches!(part, ValueTest::Token { .. } | ValueTest::Reference(_));
        let has_several = parts.iter().filter(is_other).count() > 1;
        let mut combinations: Vec<Vec<i64>> = vec![Vec::new()];
        let mut others = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let hashes = match part {
                ValueTest::Uri { uri, .. } if has_several => vec![uri_hash(key, uri)],
                part => self.hashes(systems.get(at).copied().unwrap_or(Systems::Unknown), part),
            };
            if hashes.is_empty() {
                others.push(part);
                continue;
            }
            combinations = combinations
                .iter()
                .flat_map(|combination| hashes.iter().map(move |hash| [combination.as_slice(), &[*hash]].concat()))
                .collect();
        }
        if has_several {
            let (ends, units) = self.ends(&others);
            let one = |combination: &Vec<i64>| {
                let hash = several_hash(key, combination, &units);
                (IndexTable::IndexComposite, RowCondition::Several { hash, ends: ends.clone() })
            };
            return combinations.iter().map(one).collect();
        }
        combinations
            .iter()
            .filter_map(|combination| {
                let with = composite_hash(key, combination);
                let ranged = |range| RowCondition::Quantity { column: Column::Value, hash: with, code: None, range };
                Some(match others.first() {
                    None => (IndexTable::IndexToken, RowCondition::Hash(with)),
                    Some(ValueTest::String { folded, .. }) => {
                        (IndexTable::IndexString, RowCondition::StartsWith(format!("{with:016x}{folded}")))
                    }
                    Some(ValueTest::Uri { uri, .. }) => {
                        (IndexTable::IndexUri, RowCondition::Uri(format!("{with:016x}{uri}")))
                    }
                    Some(ValueTest::Quantity { number, unit }) => {
                        (IndexTable::IndexComposite, self.quantity(Some(with), number, unit))
                    }
                    Some(ValueTest::Date(test)) => (IndexTable::IndexComposite, ranged(Range::Date(*test))),
                    Some(ValueTest::Number(test)) => (IndexTable::IndexComposite, ranged(Range::Number(*test))),
                    Some(_) => return None,
                })
            })
            .collect()
    }

    /// Where each part stands in a row of several, and what it must be there; and the units.
    fn ends(&self, parts: &[&ValueTest]) -> (Vec<End>, Vec<(i64, i64)>) {
        let (mut ends, mut units, mut at) = (Vec::new(), Vec::new(), 0);
        for part in parts {
            let (kind, part) = match part {
                ValueTest::Date(test) => (Kind::Date, Part::Range(Range::Date(*test))),
                ValueTest::Number(test) => (Kind::Number, Part::Range(Range::Number(*test))),
                ValueTest::Quantity { number, unit } => {
                    let (unit, text) = self.unit(unit);
                    units.push((unit, text.unwrap_or_default()));
                    (Kind::Quantity, Part::Range(Range::Number(*number)))
                }
                ValueTest::String { folded, .. } => (Kind::String, Part::StartsWith(folded.clone())),
                _ => continue,
            };
            let width = several::width(kind).unwrap_or_default();
            ends.push(End { at, width, part });
            at += width;
        }
        (ends, units)
    }
}
