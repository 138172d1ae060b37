//! Reads the values of one parameter, by its type and modifier.

use jiff::Timestamp;
use rust_decimal::Decimal;
use vesta_runtime::date::DateTime;
use vesta_runtime::decimal;
use vesta_runtime::search::{
    Component, Reference, SearchParameter, SearchParameterType as Kind, UCUM, canonical, fold,
};

use super::escape::{split, unescape};
use super::place::Near;
use super::query::{DateTest, NumberTest, Prefix, StringMode, Unit, UriMode, ValueTest};
use super::table::ParameterTable;
use crate::store::index::LONGEST_KEY_TEXT;
use crate::store::index::several::{LONGEST_TEXT, has_several};

/// What is wrong with a value, and what would be right.
type Wrong = String;

/// The modifiers that a kind of parameter takes, `:missing` apart.
pub(super) fn modifiers(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::String => &["exact", "contains"],
        Kind::Token => &["not", "of-type", "text", "code-text"],
        Kind::Reference => &["identifier", "[type]", "above", "below"],
        Kind::Uri => &["below", "above"],
        _ => &[],
    }
}

/// What reading a value needs to know beside it.
pub(super) struct Reader<'a> {
    pub table: &'a ParameterTable,
    pub definition: &'static SearchParameter,
    pub modifier: Option<&'a str>,
    pub now: Timestamp,
}

impl Reader<'_> {
    /// One alternative of a value: what stands between two commas.
    pub(super) fn read(&self, text: &str) -> Result<ValueTest, Wrong> {
        let definition = self.definition;
        if definition.kind == Kind::Composite {
            let parts = split(text, '$');
            if parts.len() != definition.components.len() {
                return Err(format!(
                    "{} parts were expected, joined by $, and {} were found",
                    definition.components.len(),
                    parts.len()
                ));
            }
            let parts = definition.components.iter().zip(parts);
            let tests: Result<Vec<_>, _> = parts.map(|(component, text)| self.component(component, text)).collect();
            let tests = tests?;
            let is_long =
                |test: &ValueTest| matches!(test, ValueTest::String { folded, .. } if folded.len() > LONGEST_TEXT);
            if has_several(definition) && tests.iter().any(is_long) {
                return Err(format!("at most {LONGEST_TEXT} bytes of a text were expected: give its beginning"));
            }
            return Ok(ValueTest::Composite(tests));
        }
        self.simple(definition.kind, definition.targets, self.modifier, text)
    }

    fn component(&self, component: &Component, text: &str) -> Result<ValueTest, Wrong> {
        self.simple(component.kind, component.targets, None, text)
    }

    fn simple(
        &self,
        kind: Kind,
        targets: &'static [&'static str],
        modifier: Option<&str>,
        text: &str,
    ) -> Result<ValueTest, Wrong> {
        if text.is_empty() {
            return Err("a value was expected".to_owned());
        }
        match kind {
            Kind::String => {
                let exact = unescape(text);
                let folded = fold(&exact);
                if folded.is_empty() {
                    return Err("text was expected, not white space alone".to_owned());
                }
                let mode = match modifier {
                    Some("exact") => StringMode::Exact,
                    Some("contains") => StringMode::Contains,
                    _ => StringMode::StartsWith,
                };
                Ok(ValueTest::String { mode, folded, exact })
            }
            Kind::Token if modifier == Some("of-type") => {
                let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
                match <[String; 3]>::try_from(parts) {
                    Ok([system, code, value]) if !code.is_empty() && !value.is_empty() => {
                        Ok(ValueTest::IdentifierOfType { system, code, value })
                    }
                    _ => Err("[type system]|[type code]|[value] was expected".to_owned()),
                }
            }
            Kind::Token if matches!(modifier, Some("text" | "code-text")) => {
                let folded = fold(&unescape(text));
                match (folded.as_str(), modifier) {
                    ("", _) => Err("text was expected, not white space alone".to_owned()),
                    (long, _) if long.len() > LONGEST_KEY_TEXT => {
                        Err(format!("at most {LONGEST_KEY_TEXT} bytes were expected: give the beginning of the text"))
                    }
                    (_, Some("text")) => Ok(ValueTest::TokenText(folded)),
                    _ => Ok(ValueTest::CodeText(folded)),
                }
            }
            Kind::Token => token(text),
            Kind::Reference if modifier == Some("identifier") => match token(text)? {
                ValueTest::Token { system, code: Some(value) } => Ok(ValueTest::ReferenceIdentifier { system, value }),
                _ => Err("[system]|[value] or [value] was expected".to_owned()),
            },
            Kind::Reference => self.reference(targets, modifier, &unescape(text)).map(ValueTest::Reference),
            Kind::Date => date(text, self.now).map(ValueTest::Date),
            Kind::Number => number(text).map(ValueTest::Number),
            Kind::Quantity => quantity(text),
            Kind::Uri => {
                let mode = match modifier {
                    Some("below") => UriMode::Below,
                    Some("above") => UriMode::Above,
                    _ => UriMode::Exact,
                };
                Ok(ValueTest::Uri { mode, uri: unescape(text) })
            }
            Kind::Special => Near::parse(text).map(ValueTest::Near),
            Kind::Composite => Err("values of this kind are not supported".to_owned()),
        }
    }

    /// <https://hl7.org/fhir/R4/search.html#reference>
    fn reference(
        &self,
        targets: &'static [&'static str],
        target_type: Option<&str>,
        text: &str,
    ) -> Result<Vec<Reference>, Wrong> {
        let local = |target_type: &str| Reference {
            target_type: Some(target_type.to_owned()),
            target_id: Some(text.to_owned()),
            ..Reference::default()
        };
        if !text.contains(['/', ':', '|', '#']) {
            if let Some(target_type) = target_type {
                return Ok(vec![local(target_type)]);
            }
            // `patient` lists Group among its targets, and its expression takes Patients only.
            if self.definition.expression.contains("resolve() is Patient") {
                return Ok(vec![local("Patient")]);
            }
            let every = targets.is_empty() || targets.contains(&"Resource");
            return Ok(if every {
                self.table.entries().map(|entry| local(entry.name)).collect()
            } else {
                targets.iter().map(|target| local(target)).collect()
            });
        }
        let parsed = if text.contains('|') { Reference::canonical(text) } else { Reference::parse(text) };
        let reference = parsed.ok_or_else(|| "[id], [type]/[id] or a URL was expected".to_owned())?;
        match (target_type, reference.target_type.as_deref()) {
            (Some(expected), Some(found)) if expected != found => {
                Err(format!("the modifier says {expected}, the value {found}"))
            }
            _ => Ok(vec![reference]),
        }
    }
}

/// `code`, `system|code`, `|code`, `system|`. <https://hl7.org/fhir/R4/search.html#token>
fn token(text: &str) -> Result<ValueTest, Wrong> {
    let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
    let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
    match parts.as_slice() {
        [code] if !code.is_empty() => Ok(ValueTest::Token { system: None, code: Some(code.clone()) }),
        [system, code] if !(system.is_empty() && code.is_empty()) => {
            Ok(ValueTest::Token { system: Some(system.clone()), code: filled(code) })
        }
        _ => Err("[code], [system]|[code], |[code] or [system]| was expected".to_owned()),
    }
}

fn prefix(text: &str) -> (Prefix, &str) {
    let known = match text.get(..2) {
        Some("eq") => Prefix::Eq,
        Some("ne") => Prefix::Ne,
        Some("gt") => Prefix::Gt,
        Some("lt") => Prefix::Lt,
        Some("ge") => Prefix::Ge,
        Some("le") => Prefix::Le,
        Some("sa") => Prefix::Sa,
        Some("eb") => Prefix::Eb,
        Some("ap") => Prefix::Ap,
        _ => return (Prefix::Eq, text),
    };
    (known, &text[2..])
}

/// The test of a date parameter's value: <https://hl7.org/fhir/R4/search.html#date>
pub(crate) fn date(text: &str, now: Timestamp) -> Result<DateTest, Wrong> {
    let (prefix, rest) = prefix(text);
    let (mut low, mut high) = DateTime::parse_search(rest)
        .map_err(|_| {
            "a date was expected: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss][time zone], perhaps with one of \
             the prefixes eq ne gt lt ge le sa eb ap"
                .to_owned()
        })?
        .covers();
    if prefix == Prefix::Ap {
        // "10% of the gap between now and the date"
        let now = now.as_microsecond();
        low = low.saturating_sub((now.saturating_sub(low)).saturating_abs() / 10);
        high = high.saturating_add((now.saturating_sub(high)).saturating_abs() / 10);
    }
    Ok(DateTest { prefix, low, high })
}

fn number(text: &str) -> Result<NumberTest, Wrong> {
    let (prefix, rest) = prefix(text);
    let wrong = || {
        "a number of at most 28 digits was expected, perhaps with one of the prefixes eq ne gt lt ge le sa eb ap"
            .to_owned()
    };
    let value = decimal::value(rest).ok_or_else(wrong)?;
    let (low, high) = if prefix == Prefix::Ap {
        let tenth = (value / Decimal::TEN).abs();
        (value.checked_sub(tenth).ok_or_else(wrong)?, value.checked_add(tenth).ok_or_else(wrong)?)
    } else {
        decimal::implied_range(rest).ok_or_else(wrong)?
    };
    Ok(NumberTest { prefix, value, low, high })
}

/// `[prefix][number]`, `[prefix][number]|[system]|[code]`, `[prefix][number]||[code]`.
/// <https://hl7.org/fhir/R4/search.html#quantity>
fn quantity(text: &str) -> Result<ValueTest, Wrong> {
    let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
    let expected = || "[number], [number]|[system]|[code] or [number]||[code] was expected".to_owned();
    match parts.as_slice() {
        [value] => Ok(ValueTest::Quantity { number: number(value)?, unit: Unit::Any }),
        [value, system, code] if system.is_empty() && !code.is_empty() => {
            Ok(ValueTest::Quantity { number: number(value)?, unit: Unit::Text(code.clone()) })
        }
        [value, system, code] if !code.is_empty() => {
            let number = number(value)?;
            if system == UCUM
                && let Some((low, high, unit)) = canonical(number.low, number.high, code)
                && let Some((exact, _, _)) = canonical(number.value, number.value, code)
            {
                let number = NumberTest { value: exact, low, high, ..number };
                return Ok(ValueTest::Quantity { number, unit: Unit::Canonical(unit) });
            }
            Ok(ValueTest::Quantity { number, unit: Unit::Coded { system: system.clone(), code: code.clone() } })
        }
        _ => Err(expected()),
    }
}
