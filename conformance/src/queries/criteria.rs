//! Criteria: a parameter with a value, and which facts meet it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rust_decimal::Decimal;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::facts::Fact;
use super::table::Component;
use super::{Kind, Parameter, places, spread};
use crate::time;

#[derive(Clone)]
pub(crate) struct Criterion {
    /// The parameter's code, by which its facts are found.
    pub(crate) code: String,
    /// The code with its modifier.
    pub(crate) name: String,
    pub(crate) value: String,
    test: Test,
}

type Test = Arc<dyn Fn(&[Fact]) -> bool + Send + Sync>;

impl Criterion {
    pub(super) fn new(parameter: &Parameter, modifier: &str, value: impl Into<String>, test: Test) -> Self {
        Self { code: parameter.code.clone(), name: format!("{}{modifier}", parameter.code), value: value.into(), test }
    }

    pub(crate) fn is_met(&self, facts: &[Fact]) -> bool {
        (self.test)(facts)
    }
}

/// Whether any of the facts meets it.
pub(super) fn any(test: impl Fn(&Fact) -> bool + Send + Sync + 'static) -> Test {
    Arc::new(move |facts| facts.iter().any(&test))
}

/// The criterion that a resource with these facts meets: its first value as it stands.
pub(crate) fn of(parameter: &Parameter, facts: &[Fact]) -> Option<Criterion> {
    match facts.first()? {
        Fact::Token { system, code } => Some(token(parameter, system.as_deref(), code)),
        Fact::Reference(reference) => Some(reference_to(parameter, reference)),
        Fact::Date(_, text) => dates(parameter, "ge", text.get(..10).unwrap_or(text)),
        Fact::Text(text) => Some(begins(parameter, text)),
        Fact::Uri(uri) => Some(exact_uri(parameter, uri)),
        Fact::Quantity { .. } | Fact::Number { .. } | Fact::Together(_) | Fact::Place { .. } => None,
    }
}

/// Criteria for a single parameter, with values that occur in the samples.
pub(crate) fn single(parameter: &Parameter, facts: &[Vec<Fact>], count: usize) -> Vec<Criterion> {
    let all: Vec<&Fact> = facts.iter().flatten().collect();
    match &parameter.kind {
        Kind::Token => tokens(parameter, &all, count),
        Kind::Reference { target } => references(parameter, target.as_deref(), &all, count),
        Kind::Date => {
            let texts: BTreeSet<&str> = all.iter().filter_map(|fact| date_text(fact)).collect();
            all_dates(parameter, &texts.into_iter().collect::<Vec<_>>(), count)
        }
        Kind::Text => texts(parameter, &all, count),
        Kind::Quantity => quantities(parameter, &all, count),
        Kind::Number => numbers(parameter, &all, count),
        Kind::Uri => uris(parameter, &all, count),
        Kind::Composite(components) => composites(parameter, components, &all, count),
        Kind::Place => places::near(parameter, &all, count),
    }
}

pub(crate) fn token(parameter: &Parameter, system: Option<&str>, code: &str) -> Criterion {
    let wanted = Fact::Token { system: system.map(str::to_owned), code: code.to_owned() };
    let value = system.map_or_else(|| escaped(code), |system| format!("{}|{}", escaped(system), escaped(code)));
    let has_system = system.is_some();
    Criterion::new(
        parameter,
        "",
        value,
        any(move |fact| match (fact, &wanted) {
            // Without a bar the system does not matter.
            (Fact::Token { code, .. }, Fact::Token { code: wanted, .. }) if !has_system => code == wanted,
            _ => *fact == wanted,
        }),
    )
}

/// Any of several, in one list of values: a comma is an OR.
/// <https://hl7.org/fhir/R4/search.html#combining>
pub(crate) fn either(parameter: &Parameter, criteria: Vec<Criterion>) -> Criterion {
    let value = criteria.iter().map(|criterion| criterion.value.clone()).collect::<Vec<_>>().join(",");
    let test: Test = Arc::new(move |facts| criteria.iter().any(|criterion| criterion.is_met(facts)));
    Criterion::new(parameter, "", value, test)
}

fn tokens(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let mut frequency: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
    for fact in all {
        if let Fact::Token { system, code } = fact {
            *frequency.entry((system.as_deref(), code)).or_default() += 1;
        }
    }
    // The most frequent and the rarest, and some between.
    let mut found: Vec<_> = frequency.into_iter().collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let chosen: Vec<(Option<&str>, &str)> = spread(&found, count).into_iter().map(|(token, _)| *token).collect();
    let mut criteria: Vec<Criterion> = chosen.iter().map(|(system, code)| token(parameter, *system, code)).collect();
    criteria.extend(chosen.iter().filter(|(system, _)| system.is_some()).map(|(_, code)| token(parameter, None, code)));
    if let [(first_system, first), .., (last_system, last)] = chosen.as_slice() {
        let both = vec![token(parameter, *first_system, first), token(parameter, *last_system, last)];
        criteria.push(either(parameter, both));
    }
    if let Some((system, code)) = chosen.first() {
        let met = token(parameter, *system, code);
        let value = met.value.clone();
        criteria.push(Criterion::new(parameter, ":not", value, Arc::new(move |facts| !met.is_met(facts))));
    }
    criteria
}

/// By the bare id where the parameter has one target, else with its type; a canonical as it stands.
fn reference_to(parameter: &Parameter, reference: &str) -> Criterion {
    let id = match &parameter.kind {
        Kind::Reference { target: Some(target) } => {
            reference.strip_prefix(target.as_ref()).and_then(|rest| rest.strip_prefix('/'))
        }
        _ => None,
    };
    let wanted = Fact::Reference(reference.to_owned());
    Criterion::new(parameter, "", id.unwrap_or(reference), any(move |fact| *fact == wanted))
}

fn references(parameter: &Parameter, target: Option<&str>, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let found: BTreeSet<&str> = all
        .iter()
        .filter_map(|fact| if let Fact::Reference(reference) = fact { Some(reference.as_str()) } else { None })
        .collect();
    let found: Vec<&str> = found.into_iter().collect();
    let mut criteria = Vec::new();
    for reference in spread(&found, count) {
        criteria.push(reference_to(parameter, reference));
        let wanted = Fact::Reference((*reference).to_owned());
        if target.is_some() {
            criteria.push(Criterion::new(parameter, "", *reference, any(move |fact| *fact == wanted)));
        } else if let Some((resource_type, id)) = reference.split_once('/') {
            let modifier = format!(":{resource_type}");
            criteria.push(Criterion::new(parameter, &modifier, id, any(move |fact| *fact == wanted)));
        }
    }
    criteria
}

fn date_text(fact: &Fact) -> Option<&str> {
    if let Fact::Date(_, text) = fact { Some(text) } else { None }
}

pub(crate) fn dates(parameter: &Parameter, prefix: &'static str, text: &str) -> Option<Criterion> {
    let searched = time::range(text)?;
    // `eq` is what no prefix means.
    let value = format!("{}{text}", if prefix == "eq" { "" } else { prefix });
    let test = any(move |fact| matches!(fact, Fact::Date(range, _) if range.meets(prefix, searched)));
    Some(Criterion::new(parameter, "", value, test))
}

fn all_dates(parameter: &Parameter, texts: &[&str], count: usize) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    // Each gives up to 32 searches: four precisions, eight prefixes.
    for text in spread(texts, count.div_ceil(2)) {
        // The instant, its day, its month, its year.
        let lengths: BTreeSet<usize> =
            [text.len(), 10, 7, 4].into_iter().filter(|length| *length <= text.len()).collect();
        for shortened in lengths.into_iter().filter_map(|length| text.get(..length)) {
            for prefix in ["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"] {
                criteria.extend(dates(parameter, prefix, shortened));
            }
        }
    }
    criteria
}

/// Without case and accents. <https://hl7.org/fhir/R4/search.html#string>
fn folded(text: &str) -> String {
    text.nfd().filter(|one| !is_combining_mark(*one)).flat_map(char::to_lowercase).collect()
}

fn begins(parameter: &Parameter, text: &str) -> Criterion {
    let beginning: String = folded(text).chars().take(3).collect();
    let wanted = beginning.clone();
    let test = any(move |fact| matches!(fact, Fact::Text(text) if folded(text).starts_with(&wanted)));
    Criterion::new(parameter, "", escaped(&beginning), test)
}

fn texts(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let found: BTreeSet<&str> =
        all.iter().filter_map(|fact| if let Fact::Text(text) = fact { Some(text.as_str()) } else { None }).collect();
    let found: Vec<&str> = found.into_iter().filter(|text| !text.trim().is_empty()).collect();
    let mut criteria = Vec::new();
    for text in spread(&found, count) {
        criteria.push(begins(parameter, text));
        let whole = Fact::Text((*text).to_owned());
        criteria.push(Criterion::new(parameter, ":exact", escaped(text), any(move |fact| *fact == whole)));
        let inner: String = folded(text).chars().skip(1).take(3).collect();
        if !inner.trim().is_empty() && inner.trim() == inner {
            let wanted = inner.clone();
            let test = any(move |fact| matches!(fact, Fact::Text(text) if folded(text).contains(&wanted)));
            criteria.push(Criterion::new(parameter, ":contains", escaped(&inner), test));
        }
    }
    criteria
}

/// Half of the last digit that is written: `71.50` stands for [71.495, 71.505).
/// <https://hl7.org/fhir/R4/search.html#number>
fn half_of_last_digit(value: Decimal) -> Decimal {
    Decimal::new(5, value.scale() + 1)
}

/// With a prefix the value is exact; without, it is as exact as it is written.
/// <https://hl7.org/fhir/R4/search.html#prefix>
fn compares(prefix: &str, found: Decimal, value: Decimal) -> bool {
    let half = half_of_last_digit(value);
    match prefix {
        "gt" => found > value,
        "lt" => found < value,
        "ge" => found >= value,
        "le" => found <= value,
        "ne" => !compares("", found, value),
        _ => value - half <= found && found < value + half,
    }
}

fn numbers(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    for fact in spread(all, count) {
        let Fact::Number { value, written } = fact else { continue };
        for prefix in ["", "ne", "gt", "lt", "ge", "le"] {
            let value = *value;
            let test =
                any(move |fact| matches!(fact, Fact::Number { value: found, .. } if compares(prefix, *found, value)));
            criteria.push(Criterion::new(parameter, "", format!("{prefix}{written}"), test));
        }
    }
    criteria
}

fn exact_uri(parameter: &Parameter, uri: &str) -> Criterion {
    let wanted = Fact::Uri(uri.to_owned());
    Criterion::new(parameter, "", escaped(uri), any(move |fact| *fact == wanted))
}

/// Whole, or, of URLs, what begins with the value or what the value begins with.
/// <https://hl7.org/fhir/R4/search.html#uri>
fn uris(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let found: BTreeSet<&str> =
        all.iter().filter_map(|fact| if let Fact::Uri(uri) = fact { Some(uri.as_str()) } else { None }).collect();
    let found: Vec<&str> = found.into_iter().collect();
    let mut criteria = Vec::new();
    for uri in spread(&found, count) {
        criteria.push(exact_uri(parameter, uri));
        if let Some((above, _)) = uri.rsplit_once('/').filter(|_| uri.starts_with("http")) {
            let wanted = format!("{above}/");
            let test = any({
                let wanted = wanted.clone();
                move |fact| matches!(fact, Fact::Uri(uri) if uri.starts_with(&wanted))
            });
            criteria.push(Criterion::new(parameter, ":below", escaped(&wanted), test));
            let longer = format!("{uri}/1");
            let test = any({
                let longer = longer.clone();
                move |fact| matches!(fact, Fact::Uri(uri) if longer.starts_with(uri.as_str()))
            });
            criteria.push(Criterion::new(parameter, ":above", escaped(&longer), test));
        }
    }
    criteria
}

/// Each choice of a criterion for each component, met where one place meets them all.
/// <https://hl7.org/fhir/R4/search.html#composite>
fn composites(parameter: &Parameter, components: &[Component], all: &[&Fact], count: usize) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    for fact in spread(all, count) {
        let Fact::Together(parts) = fact else { continue };
        let mut asked: Vec<Vec<Criterion>> = vec![Vec::new()];
        for (component, part) in components.iter().zip(parts) {
            let parameter = Parameter { kind: component.kind.clone(), ..parameter.clone() };
            let choices = match &component.kind {
                Kind::Token | Kind::Date => of(&parameter, part).into_iter().collect(),
                _ => single(&parameter, std::slice::from_ref(part), 1),
            };
            let longer = asked
                .iter()
                .flat_map(|before| choices.iter().map(|next| before.iter().chain([next]).cloned().collect::<Vec<_>>()));
            asked = longer.collect();
        }
        criteria.extend(asked.into_iter().map(|parts| {
            let value = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("$");
            let test = any(move |fact| match fact {
                Fact::Together(found) => parts.iter().zip(found).all(|(criterion, facts)| criterion.is_met(facts)),
                _ => false,
            });
            Criterion::new(parameter, "", value, test)
        }));
    }
    criteria
}

fn quantities(parameter: &Parameter, all: &[&Fact], count: usize) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    // A unit that can be converted into another would find that one's values, too: those need UCUM, and are left to
    // the server's own tests. One unit a dimension occurs in what is asked for here.
    let plain = |code: &str| ["cm", "mm[Hg]", "Cel"].contains(&code);
    let found: Vec<&&Fact> =
        all.iter().filter(|fact| matches!(fact, Fact::Quantity { code, .. } if plain(code))).collect();
    for fact in spread(&found, count) {
        let Fact::Quantity { value, written, system, code } = fact else { continue };
        let (value, unit) = (*value, (system.clone(), code.clone()));
        for prefix in ["", "gt", "lt", "ge", "le"] {
            let unit = unit.clone();
            let test = any(move |fact| {
                let Fact::Quantity { value: found, system, code, .. } = fact else { return false };
                (system, code) == (&unit.0, &unit.1) && compares(prefix, *found, value)
            });
            let asked = format!("{prefix}{written}|{system}|{code}");
            criteria.push(Criterion::new(parameter, "", asked, test));
        }
    }
    criteria
}

/// A comma, a bar, a dollar sign or a backslash that belongs to the value.
/// <https://hl7.org/fhir/R4/search.html#escaping>
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, one| {
        if matches!(one, ',' | '|' | '$' | '\\') {
            escaped.push('\\');
        }
        escaped.push(one);
        escaped
    })
}
