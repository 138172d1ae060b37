//! Names and values to a [`Search`]. Nothing is passed over in silence: what is unknown or not supported is an error under
//! strict handling and an issue under lenient; a modifier that is not supported, or a value that cannot be read, is an
//! error always ("servers SHALL reject any search request that contains a modifier that the server does not support",
//! <https://hl7.org/fhir/R4/search.html#modifiers>).

use std::collections::HashSet;

use jiff::Timestamp;
use vesta_runtime::search::{SearchParameter, SearchParameterType as Kind, fold};

use super::escape::{is_escaped_well, split, unescape};
use super::query::{Criterion, Issue, IssueKind, Search, SearchError, Test, ValueTest, joined};
use super::table::{ParameterTable, is_in_tables};
use super::terminology::{Answers, MODIFIERS, Question};
use super::values::{Reader, date, modifiers};
use super::words::{Words, is_of_words};
use crate::fhir::Handling;

/// `code[:modifier]`, or `code[:type].rest`.
pub(super) struct Name<'a> {
    pub(super) code: &'a str,
    pub(super) modifier: Option<&'a str>,
    pub(super) chain: Option<&'a str>,
}

impl<'a> Name<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        let (head, chain) = match name.split_once('.') {
            Some((head, chain)) => (head, Some(chain)),
            None => (name, None),
        };
        let (code, modifier) = match head.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (head, None),
        };
        Name { code, modifier, chain }
    }
}

pub(super) struct Parser<'a> {
    pub(super) table: &'a ParameterTable,
    pub(super) now: Timestamp,
    pub(super) search: Search,
    pub(super) issues: Vec<Issue>,
    failed: bool,
    /// The parameter at hand is not part of the search.
    passed_over: bool,
    /// How many steps of a chain lead to the parameter at hand.
    pub(super) steps: usize,
    /// How many `_include` and `_revinclude` came.
    pub(super) includes: usize,
    pub(super) in_filter: bool,
    /// Parameters that restrict, as they came: a second time they say the same.
    restricted: HashSet<(String, String)>,
    /// Result parameters that came already and may come once.
    pub(super) once: HashSet<String>,
    handling: Handling,
    pub(super) answers: &'a Answers,
    pub(super) questions: Vec<Question>,
}

impl Search {
    /// Reads a query: `resource_type` is none for a search over the whole system. The issues are what lenient handling
    /// passed over, for an OperationOutcome in the answer.
    pub fn parse(
        table: &ParameterTable,
        resource_type: Option<&str>,
        parameters: &[(String, String)],
        handling: Handling,
        now: Timestamp,
    ) -> Result<(Search, Vec<Issue>), SearchError> {
        let parsed = Search::parse_with(table, resource_type, parameters, handling, now, &Answers::default());
        parsed.map_err(|mut error| {
            if let Some(question) = error.questions.pop() {
                error.issues.push(question.refused());
            }
            SearchError { issues: error.issues, questions: Vec::new() }
        })
    }

    /// The same, with what terminology has answered: without it the [`Question`]s of the query are an error.
    pub fn parse_with(
        table: &ParameterTable,
        resource_type: Option<&str>,
        parameters: &[(String, String)],
        handling: Handling,
        now: Timestamp,
        answers: &Answers,
    ) -> Result<(Search, Vec<Issue>), SearchError> {
        let mut parser = Parser {
            table,
            now,
            search: Search::of(Vec::new(), Vec::new()),
            issues: Vec::new(),
            failed: false,
            passed_over: false,
            steps: 0,
            includes: 0,
            in_filter: false,
            restricted: HashSet::new(),
            once: HashSet::new(),
            handling,
            answers,
            questions: Vec::new(),
        };
        parser.types(resource_type, parameters);
        parser.contained(parameters);
        if !parser.search.types.is_empty() {
            for (name, value) in parameters {
                parser.passed_over = false;
                parser.parameter(resource_type.is_none(), name, value);
                // `_sort` notes by itself which of its keys are used.
                if !parser.passed_over && !matches!(name.as_str(), "_cursor" | "_sort") {
                    parser.search.used.push((name.clone(), value.clone()));
                }
            }
        }
        parser.sorted_containers();
        if parser.search.ranges() > MOST_RANGES {
            let message = format!(
                "the search compares more than {MOST_RANGES} dates, numbers and quantities: ask for fewer at once"
            );
            parser.fail("", IssueKind::TooCostly, message);
        }
        let most = table.limits().values;
        if parser.search.values() > most {
            let message = format!("the search compares more than {most} values: ask for fewer at once");
            parser.fail("", IssueKind::TooCostly, message);
        }
        match (parser.failed, parser.questions.is_empty()) {
            (false, true) => Ok((parser.search, parser.issues)),
            (false, false) => Err(SearchError { issues: parser.issues, questions: parser.questions }),
            (true, _) => Err(SearchError { issues: parser.issues, questions: Vec::new() }),
        }
    }
}

/// More ranges than this are not compared: a statement with many takes SQLite longer to read than to run, and nothing
/// stops it meanwhile.
const MOST_RANGES: usize = 1_000;

fn still_indexed(what: &str, share: u8) -> String {
    format!(
        "the parameter {what:?} is new or has changed, and stored resources are still being indexed by it ({share}% are \
         done): try later"
    )
}

impl Parser<'_> {
    /// What may be passed over under lenient handling.
    pub(super) fn ignore(&mut self, name: &str, kind: IssueKind, message: String) {
        self.passed_over = true;
        self.narrow(name, kind, message);
    }

    /// What is done in part under lenient handling: the parameter stays in the search.
    pub(super) fn narrow(&mut self, name: &str, kind: IssueKind, message: String) {
        self.failed |= self.handling == Handling::Strict;
        self.issues.push(Issue { parameter: name.to_owned(), kind, message });
    }

    pub(super) fn fail(&mut self, name: &str, kind: IssueKind, message: String) {
        (self.failed, self.passed_over) = (true, true);
        self.issues.push(Issue { parameter: name.to_owned(), kind, message });
    }

    /// The value is none that the parameter takes.
    pub(super) fn wrong<T>(&mut self, name: &str, wrong: &str) -> Option<T> {
        self.fail(name, IssueKind::Value, format!("{name}: {wrong}"));
        None
    }

    fn types(&mut self, resource_type: Option<&str>, parameters: &[(String, String)]) {
        let asked: Vec<&str> = match resource_type {
            Some(resource_type) => vec![resource_type],
            None => {
                let asked = parameters.iter().filter(|(name, _)| name == "_type");
                asked.flat_map(|(_, value)| value.split(',')).collect()
            }
        };
        for name in &asked {
            match self.table.entry(name) {
                Some(entry) if !self.search.types.contains(&entry.name) => self.search.types.push(entry.name),
                Some(_) => {}
                None => self.fail("_type", IssueKind::Value, format!("{name:?} is no resource type of FHIR R4")),
            }
        }
        if asked.is_empty() {
            self.search.types = self.table.entries().map(|entry| entry.name).collect();
        }
    }

    fn parameter(&mut self, is_system: bool, name: &str, value: &str) {
        match name {
            // The first is read already; the others are `http`'s.
            "_type" if is_system => {}
            "_format" | "_pretty" => {}
            _ => {
                let parsed = Name::parse(name);
                if self.result_parameter(name, &parsed, value) {
                    return;
                }
                let pair = (name.to_owned(), value.to_owned());
                if !self.restricted.contains(&pair)
                    && let Some(criterion) = self.criterion(name, name, value)
                {
                    // The parts of a `_filter` joined by `and` are criteria like others: a page may be driven by one.
                    criterion.conjuncts().into_iter().for_each(|one| joined(&mut self.search.criteria, one, true));
                    self.restricted.insert(pair);
                }
            }
        }
    }

    /// The definition that all the types share; none where one of them lacks it.
    pub(super) fn definition(&self, code: &str) -> Option<&'static SearchParameter> {
        let mut definitions = self.search.types.iter().map(|of| Some(self.table.parameter(of, code)?.definition));
        let first = definitions.next()??;
        definitions.all(|other| other.is_some_and(|other| other.kind == first.kind)).then_some(first)
    }

    /// `text` is the name, or what of it is left at the end of a chain.
    pub(super) fn criterion(&mut self, name: &str, text: &str, value: &str) -> Option<Criterion> {
        if value.is_empty() {
            // "Empty parameters are not an error: they are just ignored." Inside of a `_filter` they would be.
            let message = format!("the parameter {name:?} has no value: give one, or leave it out");
            if self.in_filter {
                self.fail(name, IssueKind::Value, message);
            } else {
                self.ignore(name, IssueKind::Value, message);
            }
            return None;
        }
        let code = text.split([':', '.']).next().unwrap_or(text);
        if matches!(code, "_has" | "_list" | "_text" | "_content") && self.not_of_contained(name, code) {
            return None;
        }
        if let Some(rest) = text.strip_prefix("_has:") {
            return self.has(name, rest, value);
        }
        let parsed = &Name::parse(text);
        match parsed.code {
            "_id" if parsed.chain.is_none() => return self.id(name, parsed, value),
            "_lastUpdated" if parsed.chain.is_none() => return self.last_updated(name, parsed, value),
            "_has" => {
                let expected = "_has:[type]:[reference parameter]:[parameter]";
                self.fail(name, IssueKind::Value, format!("{name}: {expected} was expected"));
                return None;
            }
            "_filter" if parsed.chain.is_none() && parsed.modifier.is_none() => return self.filter(name, value),
            "_list" if parsed.chain.is_none() && parsed.modifier.is_none() => return self.list(name, value),
            "_text" | "_content"
                if self.search.types.iter().all(|of| self.table.parameter(of, parsed.code).is_none()) =>
            {
                let message = format!("{} is not offered: this site keeps no index of words", parsed.code);
                self.ignore(name, IssueKind::NotSupported, message);
                return None;
            }
            // "Servers SHALL refuse to process a search request if they do not recognize the `_query` parameter value."
            // <https://hl7.org/fhir/R4/search.html#query>
            "_query" => {
                let message = format!("there is no query {value:?}: this server has no named queries");
                self.fail(name, IssueKind::NotSupported, message);
                return None;
            }
            "_score" => {
                let message = format!("the parameter {:?} is not supported", parsed.code);
                self.ignore(name, IssueKind::NotSupported, message);
                return None;
            }
            _ => {}
        }
        if let Some(definition) = self.definition(parsed.code).filter(|known| is_of_words(known)) {
            return self.of_words(name, parsed, definition, value);
        }
        let definition = self.known(name, parsed.code)?;
        if let Some(chain) = parsed.chain {
            return self.chain(name, definition, parsed.modifier, chain, value);
        }
        self.plain(name, definition, parsed.modifier, value)
    }

    /// The parameter, where it can be searched by.
    pub(super) fn known(&mut self, name: &str, code: &str) -> Option<&'static SearchParameter> {
        let Some(definition) = self.definition(code) else {
            let message = self.unknown(code);
            self.ignore(name, IssueKind::Unknown, message);
            return None;
        };
        if !is_in_tables(definition) {
            let message = format!("the parameter {code:?} is not supported");
            self.ignore(name, IssueKind::NotSupported, message);
            return None;
        }
        if self.search.types.iter().any(|of| !self.table.is_indexed(of, definition.code)) {
            self.not_indexed_by(name, definition);
            return None;
        }
        Some(definition)
    }

    fn plain(
        &mut self,
        name: &str,
        definition: &'static SearchParameter,
        modifier: Option<&str>,
        value: &str,
    ) -> Option<Criterion> {
        let code = definition.code;
        if modifier == Some("missing") {
            return self.missing(name, code, value);
        }
        let is_below = modifier == Some("below");
        // Media types have an order of their own: <https://hl7.org/fhir/R4/search.html#mimetype>
        if is_below && definition.kind == Kind::Token && code == "contenttype" {
            let each = split(value, ',').into_iter().map(|text| fold(&unescape(text)));
            let tests: Vec<_> = each.map(ValueTest::MediaBelow).collect();
            if tests.contains(&ValueTest::MediaBelow(String::new())) {
                return self.wrong(name, "a media type was expected, like image or text/xml");
            }
            return Some(Criterion { code, negated: false, test: Test::Any(tests) });
        }
        let is_canonical =
            || self.search.types.iter().all(|of| self.table.parameter(of, code).is_some_and(|one| one.canonical));
        if is_below && definition.kind == Kind::Reference && is_canonical() {
            return self.below_canonical(name, definition, value);
        }
        if let Some(modifier) = modifier.filter(|one| definition.kind == Kind::Token && MODIFIERS.contains(one)) {
            return self.by_terminology(name, definition, modifier, value);
        }
        if let Some(modifier @ ("above" | "below")) = modifier.filter(|_| definition.kind == Kind::Reference) {
            return self.by_hierarchy(name, definition, modifier, value);
        }
        let known = modifiers(definition.kind);
        let typed = |modifier: &str| definition.kind == Kind::Reference && self.table.entry(modifier).is_some();
        if let Some(modifier) = modifier
            && !known.contains(&modifier)
            && !typed(modifier)
        {
            let of_terminology: &[&str] = if definition.kind == Kind::Token { &MODIFIERS } else { &[] };
            let known = known
                .iter()
                .chain(of_terminology)
                .chain(&["missing"])
                .map(|known| format!(":{known}"))
                .collect::<Vec<_>>();
            let message = format!("{code} does not take the modifier :{modifier}; it takes {}", known.join(", "));
            self.fail(name, IssueKind::NotSupported, message);
            return None;
        }
        if !is_escaped_well(value) {
            return self.wrong(name, "a \\ stands before , | $ or \\ only; as part of the value it is written \\\\");
        }
        let values = split(value, ',');
        if definition.kind == Kind::Uri && modifier.is_none() && self.has_business_version(code) {
            let versioned: Vec<_> = values.iter().map(|text| split(text, '|')).collect();
            if versioned.iter().any(|parts| parts.len() == 2) {
                return self.of_versions(name, definition, &versioned);
            }
        }
        let reader = Reader { table: self.table, definition, modifier, now: self.now };
        let tests: Result<Vec<_>, _> = values.into_iter().map(|text| reader.read(text)).collect();
        match tests {
            Ok(tests) => Some(Criterion { code, negated: modifier == Some("not"), test: Test::Any(tests) }),
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    /// `_text` and `_content`.
    fn of_words(
        &mut self,
        name: &str,
        parsed: &Name<'_>,
        definition: &'static SearchParameter,
        value: &str,
    ) -> Option<Criterion> {
        let code = definition.code;
        if parsed.chain.is_some() || parsed.modifier.is_some_and(|modifier| modifier != "missing") {
            let message = format!("{name}: {code} takes no modifier but :missing, and no chain");
            self.fail(name, IssueKind::NotSupported, message);
            return None;
        }
        if self.search.types.iter().any(|of| !self.table.is_indexed(of, code)) {
            self.not_indexed(name, code);
            return None;
        }
        if parsed.modifier.is_some() {
            return self.missing(name, code, value);
        }
        let values: Result<Vec<_>, _> =
            split(value, ',').into_iter().map(|text| Words::parse(&unescape(text))).collect();
        match values {
            Ok(any) => Some(Criterion { code, negated: false, test: Test::Words(Words::Any(any)) }),
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    fn missing(&mut self, name: &str, code: &'static str, value: &str) -> Option<Criterion> {
        let missing = match value {
            "true" => true,
            "false" => false,
            _ => return self.wrong(name, "true or false was expected"),
        };
        Some(Criterion { code, negated: false, test: Test::Missing(missing) })
    }

    fn id(&mut self, name: &str, parsed: &Name<'_>, value: &str) -> Option<Criterion> {
        match parsed.modifier {
            None | Some("not") => {
                let ids = split(value, ',').into_iter().map(unescape).collect();
                Some(Criterion { code: "_id", negated: parsed.modifier.is_some(), test: Test::Id(ids) })
            }
            Some("missing") => self.always_there(name, "_id", value),
            Some(modifier) => {
                let message = format!("_id does not take the modifier :{modifier}; it takes :not and :missing");
                self.fail(name, IssueKind::NotSupported, message);
                None
            }
        }
    }

    fn last_updated(&mut self, name: &str, parsed: &Name<'_>, value: &str) -> Option<Criterion> {
        if parsed.modifier == Some("missing") {
            return self.always_there(name, "_lastUpdated", value);
        }
        if let Some(modifier) = parsed.modifier {
            let message = format!("_lastUpdated does not take the modifier :{modifier}; it takes :missing");
            self.fail(name, IssueKind::NotSupported, message);
            return None;
        }
        let tests: Result<Vec<_>, _> = split(value, ',').into_iter().map(|text| date(text, self.now)).collect();
        match tests {
            Ok(tests) => Some(Criterion { code: "_lastUpdated", negated: false, test: Test::LastUpdated(tests) }),
            Err(wrong) => self.wrong(name, &wrong),
        }
    }

    /// `:missing` of what every resource has.
    fn always_there(&mut self, name: &str, code: &'static str, value: &str) -> Option<Criterion> {
        let missing = self.missing(name, code, value)?.test == Test::Missing(true);
        Some(Criterion { code, negated: missing, test: Test::All(Vec::new()) })
    }

    pub(super) fn not_indexed(&mut self, name: &str, what: &str) {
        self.ignore(name, IssueKind::NotIndexed, still_indexed(what, self.table.share()));
    }

    /// Passed over, a reference that may name a patient would show the records of all to whoever asked for one's: that is
    /// refused under lenient handling too.
    pub(super) fn not_indexed_by(&mut self, name: &str, definition: &SearchParameter) {
        let may_name_a_patient = definition.kind == Kind::Reference
            && (definition.targets.is_empty() || definition.targets.contains(&"Patient"));
        if may_name_a_patient {
            self.fail(name, IssueKind::NotIndexed, still_indexed(definition.code, self.table.share()));
        } else {
            self.not_indexed(name, definition.code);
        }
    }

    pub(super) fn unknown_of(&self, of: &str, code: &str) -> String {
        let known: Vec<&str> = self.table.parameters(of).map(|known| known.definition.code).collect();
        format!("{of} has no search parameter {code:?}; it has {}", known.join(", "))
    }

    pub(super) fn unknown(&self, code: &str) -> String {
        match self.search.types.as_slice() {
            [one] => self.unknown_of(one, code),
            _ => format!("{code:?} is not a search parameter of every type searched; use it with one type"),
        }
    }
}
