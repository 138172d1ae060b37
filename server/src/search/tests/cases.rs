//! Queries over a small corpus and the ids that they find, as data (`cases.json`): in SQL and in memory alike.

use serde_json::Value;

use super::*;

/// `query` over `type` (none: over the system), under `patient`'s boundary, finds `ids`; in this order if `ordered`.
fn all_cases() -> Vec<Value> {
    let Value::Array(cases) = vesta_runtime::json::parse(include_bytes!("cases.json")).expect("JSON") else {
        panic!("an array")
    };
    cases
}

fn ids(case: &Value) -> Vec<String> {
    case["ids"].as_array().expect("ids").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
}

async fn check(fixture: Fixture) {
    fixture.put(&corpus()).await;
    let mut failures = Vec::new();
    for case in all_cases() {
        let (of, query) = (case["type"].as_str(), case["query"].as_str().expect("a query"));
        let boundary = match case["patient"].as_str() {
            Some(patient) => Boundary::Patient(patient.to_owned()),
            None => Boundary::Unrestricted,
        };
        let search = match parse(&fixture.table, of, query) {
            Ok(search) => search,
            Err(error) => {
                failures.push(format!("{of:?}?{query}: {error}"));
                continue;
            }
        };
        let expected = ids(&case);
        for count in [100, 2] {
            let mut found = fixture.find(&search, &boundary, count).await;
            let mut wanted = expected.clone();
            if case["ordered"].as_bool() != Some(true) {
                found.sort();
                wanted.sort();
            }
            if found != wanted {
                failures.push(format!("{of:?}?{query} in pages of {count}: {wanted:?} expected, {found:?} found"));
            }
        }
        let counted = fixture.count(&search, &boundary).await;
        if counted != expected.len() as i64 {
            failures.push(format!("{of:?}?{query}: {} expected, {counted} counted", expected.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_finds_what_the_cases_say() {
    check(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_finds_what_the_cases_say() {
    if let Some(fixture) = Fixture::postgres("cases").await {
        check(fixture).await;
    }
}

/// What a patient's boundary shows of the corpus, by the words of the standard and of ARCHITECTURE.md, not by rows.
pub(super) struct Corpus<'a> {
    pub(super) seen: Vec<&'a Value>,
}

impl<'a> Corpus<'a> {
    pub(super) fn new(table: &ParameterTable, all: &'a [Value], patient: Option<&str>) -> Self {
        let seen = all.iter().filter(|one| patient.is_none_or(|patient| is_inside(table, all, one, patient)));
        Corpus { seen: seen.collect() }
    }
}

/// The resource that a literal reference names.
fn named<'a>(all: &'a [Value], reference: &Value) -> Option<&'a Value> {
    let text = reference.as_str()?;
    let text = text.strip_prefix(BASE).map_or(text, |text| text.trim_start_matches('/'));
    let mut parts = text.split('/');
    let (of, id) = (parts.next()?, parts.next()?);
    all.iter().find(|one| one["resourceType"] == of && one["id"] == id)
}

pub(super) fn is_inside(table: &ParameterTable, all: &[Value], resource: &Value, patient: &str) -> bool {
    let of = resource["resourceType"].as_str().expect("a type");
    let refers = |reference: &Value| {
        let text = reference["reference"].as_str().unwrap_or_default();
        let text = text.strip_prefix(BASE).map_or(text, |text| text.trim_start_matches('/'));
        text.split('/').take(2).eq(["Patient", patient])
    };
    let inside = |reference: &Value| named(all, reference).is_some_and(|one| is_inside(table, all, one, patient));
    match of {
        "Patient" => resource["id"] == patient,
        "Provenance" => resource["target"].as_array().into_iter().flatten().any(|target| inside(&target["reference"])),
        "Binary" if resource.get("securityContext").is_some() => {
            refers(&resource["securityContext"]) || inside(&resource["securityContext"]["reference"])
        }
        "Binary" => all.iter().any(|one| {
            let of = one["resourceType"].as_str().expect("a type");
            if !matches!(of, "DocumentReference" | "DiagnosticReport") || !is_inside(table, all, one, patient) {
                return false;
            }
            let forms = one["presentedForm"].as_array().into_iter().flatten().map(|form| &form["url"]);
            let contents = one["content"].as_array().into_iter().flatten().map(|content| &content["attachment"]["url"]);
            forms.chain(contents).any(|url| named(all, url).is_some_and(|binary| std::ptr::eq(binary, resource)))
        }),
        _ => match table.entry(of).expect("a known type").boundary.rule {
            Rule::Directory => true,
            Rule::Compartment => refers(&resource["subject"]),
            _ => false,
        },
    }
}

impl Around for Corpus<'_> {
    fn resource(&self, of: &str, id: &str) -> Option<&Value> {
        self.seen.iter().copied().find(|one| one["resourceType"] == of && one["id"] == id)
    }

    fn of_type<'a>(&'a self, of: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
        let of = of.to_owned();
        Box::new(self.seen.iter().copied().filter(move |one| one["resourceType"] == of.as_str()))
    }
}

#[test]
fn memory_finds_what_the_cases_say() {
    let table = table();
    let corpus = corpus();
    let mut failures = Vec::new();
    for case in all_cases() {
        let (of, query) = (case["type"].as_str(), case["query"].as_str().expect("a query"));
        // Memory has no time of change.
        if query.contains("_lastUpdated") {
            continue;
        }
        let search = parse(&table, of, query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let around = Corpus::new(&table, &corpus, case["patient"].as_str());
        let mut found: Vec<String> = around
            .seen
            .iter()
            .copied()
            .filter(|resource| search.matches_among(&table, resource, &around))
            .map(|resource| resource["id"].as_str().expect("an id").to_owned())
            .collect();
        let mut wanted = ids(&case);
        found.sort();
        wanted.sort();
        if found != wanted {
            failures.push(format!("{of:?}?{query}: {wanted:?} expected, {found:?} found"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
