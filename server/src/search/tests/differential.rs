//! SQL and memory on the same resources, asked for by values that the resources have: whatever one finds, the other
//! finds.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use vesta_runtime::date::DateTime;
use vesta_runtime::search::{IndexValue, SearchParameterType};

use super::super::words::is_of_words;
use super::*;

const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// Names and values of queries that could find this value.
pub(super) fn queries(code: &str, value: &IndexValue) -> Vec<(String, String)> {
    let one = |value: String| vec![(code.to_owned(), value)];
    match value {
        IndexValue::String { folded, exact } => {
            let part: String = folded.chars().skip(1).take(4).collect();
            let start: String = folded.chars().take(3).collect();
            let mut found = vec![(format!("{code}:exact"), escape(exact)), (code.to_owned(), escape(&start))];
            if !part.trim().is_empty() {
                found.push((format!("{code}:contains"), escape(&part)));
            }
            found
        }
        IndexValue::Token { code: None, text: Some(text), .. } => {
            vec![(format!("{code}:text"), escape(&text.chars().take(5).collect::<String>()))]
        }
        IndexValue::Token { system, code: Some(of), text } => {
            let mut found = one(escape(of));
            let start = |text: &str| escape(&text.trim_start().to_uppercase().chars().take(3).collect::<String>());
            found.push((format!("{code}:code-text"), start(of)));
            found.extend(text.iter().map(|text| (format!("{code}:text"), start(text))));
            found.push((format!("{code}:not"), escape(of)));
            if let Some(system) = system {
                found.push((code.to_owned(), format!("{}|{}", escape(system), escape(of))));
                if !system.is_empty() {
                    found.push((code.to_owned(), format!("{}|", escape(system))));
                }
            }
            found
        }
        IndexValue::IdentifierOfType { system, code: of, value } => {
            vec![(format!("{code}:of-type"), [system, of, value].map(|part| escape(part)).join("|"))]
        }
        IndexValue::Reference(reference) => match (&reference.target_type, &reference.target_id, &reference.url) {
            (Some(target), Some(id), _) => {
                vec![(code.to_owned(), format!("{target}/{id}")), (format!("{code}:{target}"), id.clone())]
            }
            // What is contained is named within its container only.
            (_, _, Some(url)) if !url.starts_with('#') => one(escape(url)),
            _ => Vec::new(),
        },
        IndexValue::Date { low, high } => [low, high]
            .into_iter()
            .filter(|at| (1..i64::MAX - 1).contains(*at))
            .flat_map(|at| {
                let text = DateTime::from_timestamp(Timestamp::from_microsecond(*at).expect("in range")).to_string();
                [text[..4].to_owned(), text[..7].to_owned(), text[..10].to_owned(), text]
            })
            .flat_map(|text| PREFIXES.map(|prefix| (code.to_owned(), format!("{prefix}{text}"))))
            .collect(),
        IndexValue::Number { low, .. } => {
            PREFIXES.iter().map(|prefix| (code.to_owned(), format!("{prefix}{low}"))).collect()
        }
        IndexValue::Quantity(quantity) if quantity.low.scale() < 20 && quantity.low > rust_decimal::Decimal::MIN => {
            let mut units = vec![String::new()];
            if let (Some(system), Some(of)) = (&quantity.system, &quantity.code) {
                units.push(format!("|{system}|{of}"));
            }
            units.extend(quantity.unit.as_ref().map(|unit| format!("||{}", escape(unit))));
            PREFIXES
                .iter()
                .flat_map(|prefix| units.iter().map(move |unit| format!("{prefix}{}{unit}", quantity.low)))
                .map(|value| (code.to_owned(), value))
                .collect()
        }
        IndexValue::Uri(uri) => vec![
            (code.to_owned(), escape(uri)),
            (format!("{code}:below"), escape(&uri.chars().take(12).collect::<String>())),
            (format!("{code}:above"), format!("{}/x", escape(uri))),
        ],
        IndexValue::Composite(parts) if code == "near" => {
            let degrees = parts.iter().map(|part| match part {
                IndexValue::Number { low, .. } => low.to_string(),
                _ => String::new(),
            });
            let place = degrees.collect::<Vec<_>>().join("|");
            ["", "|0|km", "|300|km"].map(|reach| (code.to_owned(), format!("{place}{reach}"))).into()
        }
        IndexValue::Composite(parts) => {
            let mut all = vec![String::new()];
            for (at, part) in parts.iter().enumerate() {
                let parts: BTreeSet<String> = queries("x", part)
                    .into_iter()
                    .filter(|(name, _)| name == "x")
                    .map(|(_, value)| if at == 0 { value } else { format!("${value}") })
                    .collect();
                all = all.iter().flat_map(|start| parts.iter().map(move |part| format!("{start}{part}"))).collect();
            }
            all.into_iter().take(24).map(|value| (code.to_owned(), value)).collect()
        }
        _ => Vec::new(),
    }
}

/// Asks for some values of every parameter of every resource; gives how many queries were made.
pub(super) async fn compare(fixture: &Fixture, resources: &[Value], values_each: usize) -> usize {
    compare_of(fixture, resources, values_each, &|_| true).await
}

/// The same of some parameters.
pub(super) async fn compare_of(
    fixture: &Fixture,
    resources: &[Value],
    values_each: usize,
    wanted: &(dyn Fn(&Parameter) -> bool + Sync),
) -> usize {
    let table = &fixture.table;
    let mut asked = 0;
    let names: BTreeSet<&str> = resources.iter().filter_map(|resource| resource["resourceType"].as_str()).collect();
    for name in names {
        let of_type: Vec<&Value> = resources.iter().filter(|resource| resource["resourceType"] == name).collect();
        let is_indexed = |known: &&Parameter| known.is_in_tables() || is_of_words(known.definition);
        for parameter in table.parameters(name).filter(is_indexed).filter(|parameter| wanted(parameter)) {
            let code = parameter.definition.code;
            let mut pairs = BTreeSet::from([
                (format!("{code}:missing"), "true".to_owned()),
                (format!("{code}:missing"), "false".to_owned()),
            ]);
            let found = of_type.iter().filter_map(|resource| {
                let (_, node) = table.root(resource)?;
                Some(index_values(parameter.definition, node, node))
            });
            for value in found.flatten().step_by(3).take(values_each) {
                pairs.extend(queries(code, &value));
            }
            if is_of_words(parameter.definition) {
                let said: BTreeSet<String> =
                    of_type.iter().take(20).flat_map(|resource| words_of(table.schema(), resource, code)).collect();
                let said: Vec<String> = said.into_iter().step_by(5).take(values_each).collect();
                pairs.extend(said.iter().map(|word| (code.to_owned(), word.clone())));
                pairs.extend(said.windows(2).map(|two| (code.to_owned(), two.join(" and "))));
                pairs.extend(said.windows(2).map(|two| (code.to_owned(), two.join(" or "))));
            }
            use SearchParameterType::{Date, Number, Quantity, Reference, String as Text, Token, Uri};
            let mut sortable =
                matches!(parameter.definition.kind, Date | Number | Quantity | Text | Uri | Token | Reference);
            for pair in pairs {
                let (search, _) =
                    Search::parse(table, Some(name), std::slice::from_ref(&pair), Handling::Strict, now())
                        .unwrap_or_else(|error| panic!("{name}?{}={}: {error}", pair.0, pair.1));
                let mut expected: Vec<&str> = of_type
                    .iter()
                    .filter(|resource| search.matches(table, resource))
                    .map(|resource| resource["id"].as_str().expect("an id"))
                    .collect();
                expected.sort_unstable();
                let mut searches = vec![search.clone()];
                if std::mem::take(&mut sortable) {
                    for descending in [true, false] {
                        let sort = vec![Sort { along: Vec::new(), code, kind: parameter.definition.kind, descending }];
                        searches.push(Search { sort, ..search.clone() });
                    }
                }
                for search in searches {
                    let mut ids = fixture.find(&search, &Boundary::Unrestricted, 7).await;
                    ids.sort_unstable();
                    assert_eq!(ids, expected, "{name}?{}={} sorted by {:?}", pair.0, pair.1, search.sort);
                    asked += 1;
                }
            }
        }
    }
    asked
}

/// A date of any precision, near the others.
fn date() -> impl Strategy<Value = String> {
    prop_oneof![
        (2022..2025).prop_map(|year: i32| year.to_string()),
        (2023..2025, 1..13).prop_map(|(year, month)| format!("{year}-{month:02}")),
        (2024..2025, 1..4, 1..29).prop_map(|(year, month, day)| format!("{year}-{month:02}-{day:02}")),
        (1..3, 1..3, 0..24, prop_oneof![Just("Z"), Just("-05:00"), Just("+05:30")])
            .prop_map(|(month, day, hour, zone)| format!("2024-{month:02}-{day:02}T{hour:02}:30:00{zone}")),
    ]
}

fn effective() -> impl Strategy<Value = Value> {
    prop_oneof![
        date().prop_map(|date| json!({"effectiveDateTime": date})),
        date().prop_map(|start| json!({"effectivePeriod": {"start": start}})),
        date().prop_map(|end| json!({"effectivePeriod": {"end": end}})),
        (date(), date()).prop_map(|(start, end)| {
            json!({"effectivePeriod": {"start": start.clone().min(end.clone()), "end": start.max(end)}})
        }),
        prop::collection::vec(date(), 1..3).prop_map(|events| json!({"effectiveTiming": {"event": events}})),
        Just(json!({})),
    ]
}

fn coding() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[ab]".prop_map(|code| json!({"system": "http://s", "code": code})),
        "[ab]".prop_map(|code| json!({"code": code})),
        "[ab]".prop_map(|code| json!({"system": "http://t|u", "code": format!("{code},$|\\\"x")})),
        Just(json!({"system": "http://s"})),
    ]
}

fn quantity() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        Just("1"),
        Just("1.0"),
        Just("1.5"),
        Just("0.001"),
        Just("1000"),
        Just("-1"),
        Just("99.5"),
        Just("100.5")
    ];
    let unit = prop_oneof![Just("mg"), Just("g"), Just("kg"), Just("Cel"), Just("furlong")];
    let comparator = prop_oneof![3 => Just(""), 1 => Just("<"), 1 => Just(">")];
    (number, unit, comparator, 0..3).prop_map(|(number, unit, comparator, form)| {
        let number: Value = serde_json::from_str(number).expect("a number");
        let mut quantity = json!({"value": number});
        if form > 0 {
            quantity["unit"] = json!(format!("{unit} of it"));
        }
        if form > 1 {
            quantity["system"] = json!("http://unitsofmeasure.org");
            quantity["code"] = json!(unit);
        }
        if !comparator.is_empty() {
            quantity["comparator"] = json!(comparator);
        }
        quantity
    })
}

fn observation() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        quantity().prop_map(|value| json!({"valueQuantity": value})),
        coding().prop_map(|coding| json!({"valueCodeableConcept": {"coding": [coding]}})),
        "[aÄ%_\\\\ ]{1,6}x".prop_map(|text| json!({"valueString": text})),
        date().prop_map(|date| json!({"valueDateTime": date})),
        Just(json!({})),
    ];
    let subject = prop_oneof![
        Just(json!({"reference": "Patient/a"})),
        Just(json!({"reference": "Patient/b/_history/1"})),
        Just(json!({"reference": "https://elsewhere.org/fhir/Patient/a"})),
        Just(json!({"reference": format!("{BASE}/Patient/b")})),
        Just(json!({"identifier": {"system": "http://m", "value": "1"}})),
        Just(json!({"display": "somebody"})),
    ];
    let component =
        (coding(), quantity()).prop_map(|(code, value)| json!({"code": {"coding": [code]}, "valueQuantity": value}));
    let components = prop::collection::vec(component, 0..3);
    let note = ("[ab]{1,3}", date(), "[xä ]{0,2}y")
        .prop_map(|(author, time, text)| json!({"authorString": author, "time": time, "text": text}));
    let range = (quantity(), quantity()).prop_map(|(low, high)| json!({"low": low, "high": high}));
    let several = (prop::collection::vec(note, 0..3), prop::collection::vec(range, 0..2));
    (effective(), prop::collection::vec(coding(), 0..3), value, subject, components, several).prop_map(
        |(effective, codings, value, subject, components, (notes, ranges))| {
            let mut resource = json!({"resourceType": "Observation", "status": "final", "subject": subject,
                "code": {"text": "t", "coding": codings}, "component": components, "note": notes,
                "referenceRange": ranges});
            for part in [effective, value] {
                for (name, value) in part.as_object().expect("an object") {
                    resource[name] = value.clone();
                }
            }
            resource
        },
    )
}

/// Checks what is given at random, each time in a database of its own.
pub(super) fn each_case<S: Strategy>(
    fixture: impl AsyncFn(usize) -> Option<Fixture>,
    cases: u32,
    given: &S,
    check: impl AsyncFn(&Fixture, S::Value),
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let case = std::cell::Cell::new(0);
    let result = proptest::test_runner::TestRunner::new(config).run(given, |given| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            let Some(fixture) = fixture(case.get()).await else { return };
            check(&fixture, given).await;
            fixture.store.close().await;
        });
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

fn run(fixture: impl AsyncFn(usize) -> Option<Fixture>, cases: u32) {
    each_case(fixture, cases, &prop::collection::vec(observation(), 1..16), async |fixture, mut resources| {
        for (at, resource) in resources.iter_mut().enumerate() {
            resource["id"] = json!(format!("o{at}"));
        }
        fixture.put(&resources).await;
        compare(fixture, &resources, 5).await;
    });
}

#[test]
fn sqlite_and_memory_agree_on_any_observation() {
    run(async |_| Some(Fixture::sqlite().await), 6);
}

#[test]
fn postgres_and_memory_agree_on_any_observation() {
    run(async |case| Fixture::postgres(&format!("differential{case}")).await, 2);
}
