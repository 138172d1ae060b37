//! What resources contain: "By default, search results only include resources that are not contained in other resources. A
//! chained condition will be evaluated inside contained resources." <https://hl7.org/fhir/R4/search.html#contained>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vesta_runtime::search::values_within;

use super::differential::queries;
use super::*;
use crate::search::matching::Around;

/// Everything that is stored.
struct All<'a>(&'a [Value]);

impl Around for All<'_> {
    fn resource(&self, of: &str, id: &str) -> Option<&Value> {
        self.0.iter().find(|one| one["resourceType"] == of && one["id"] == id)
    }

    fn of_type<'a>(&'a self, of: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
        let of = of.to_owned();
        Box::new(self.0.iter().filter(move |one| one["resourceType"] == of.as_str()))
    }
}

fn coded(code: &str) -> Value {
    json!({ "coding": [{ "system": "http://e.org/m", "code": code }] })
}

fn resources() -> Vec<Value> {
    let medication = |id: &str, code: &str, more: Value| {
        let mut medication = json!({ "resourceType": "Medication", "id": id, "code": coded(code) });
        medication.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        medication
    };
    let prescription = |id: &str, patient: &str, contained: Value| {
        json!({ "resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
            "contained": contained, "medicationReference": { "reference": "#m" },
            "subject": { "reference": format!("Patient/{patient}") } })
    };
    vec![
        json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "Poe" }] }),
        json!({ "resourceType": "Patient", "id": "q", "name": [{ "family": "Quill" }] }),
        json!({ "resourceType": "Organization", "id": "o", "name": "Outside" }),
        prescription(
            "one",
            "p",
            json!([
                medication("m", "a", json!({ "manufacturer": { "reference": "#maker" }, "form": coded("tablet") })),
                { "resourceType": "Organization", "id": "maker", "name": "Inside" },
            ]),
        ),
        prescription(
            "other",
            "q",
            json!([medication(
                "m",
                "b",
                json!({ "manufacturer": { "reference": "Organization/o" }, "form": { "text": "Nonesuch" } })
            )]),
        ),
        prescription(
            "two",
            "q",
            json!([medication("m", "a", json!({})), medication("n", "a", json!({ "status": "active" }))]),
        ),
        // `#m` of another container means nothing here.
        prescription("none", "p", json!([{ "resourceType": "Basic", "id": "x", "code": coded("a") }])),
        medication("alone", "a", json!({ "manufacturer": { "reference": "Organization/o" } })),
        medication("within", "c", json!({ "contained": [medication("m", "a", json!({}))] })),
    ]
}

/// Of all types, as a token that covers everything gives it.
fn seen(table: &ParameterTable, mut search: Search, boundary: &Boundary) -> Search {
    search.containers = Some((table.entries().map(|entry| entry.name).collect(), boundary.clone()));
    search
}

/// `id` of a resource, `id#place` of what it contains.
async fn find(fixture: &Fixture, search: &Search, boundary: &Boundary, count: usize) -> Vec<String> {
    let (mut names, mut position) = (Vec::new(), None);
    loop {
        let page = fixture.page(search, boundary, count, position).await;
        names.extend(page.found.iter().map(|found| match found.contained_at() {
            Some(place) => format!("{}#{place}", found.stored.id),
            None => found.stored.id.clone(),
        }));
        match page.next {
            Some(next) => position = Some(next),
            None => return names,
        }
        assert!(names.len() < 1_000, "pages never end");
    }
}

/// The same in memory.
fn matches(table: &ParameterTable, search: &Search, all: &[Value]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for resource in all {
        let id = resource["id"].as_str().expect("an id");
        if search.contained != Contained::True && search.matches_among(table, resource, &All(all)) {
            names.insert(id.to_owned());
        }
        if search.contained != Contained::False {
            names.extend(
                search
                    .matches_in(table, resource, &All(all))
                    .into_iter()
                    .map(|place| if search.contained_alone { format!("{id}#{place}") } else { id.to_owned() }),
            );
        }
    }
    names
}

async fn check(fixture: Fixture) {
    let all = resources();
    fixture.put(&all).await;
    let alone = "&_contained=true&_containedType=contained";
    let both = "&_contained=both&_containedType=contained";
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("Medication", "code=a".into(), &["alone"]),
        ("Medication", "_contained=true".into(), &["one", "other", "two", "within"]),
        ("Medication", "_contained=both".into(), &["alone", "one", "other", "two", "within"]),
        ("Medication", "code=a&_contained=true".into(), &["one", "two", "within"]),
        ("Medication", "code=a&_contained=both".into(), &["alone", "one", "two", "within"]),
        ("Medication", format!("code=a{alone}"), &["one#0", "two#0", "two#1", "within#0"]),
        ("Medication", format!("code=a{both}"), &["alone", "one#0", "two#0", "two#1", "within#0"]),
        ("Medication", format!("code=a&_sort=code{both}"), &["alone", "one#0", "two#0", "two#1", "within#0"]),
        (
            "Medication",
            format!("_sort=-form,status{both}"),
            &["alone", "one#0", "other#0", "two#0", "two#1", "within", "within#0"],
        ),
        ("Medication", "_sort=-code,_lastUpdated&_contained=both".into(), &["alone", "one", "other", "two", "within"]),
        ("Medication", format!("code=http://e.org/m|a&form:missing=true{alone}"), &["two#0", "two#1", "within#0"]),
        ("Medication", format!("code:not=a{alone}"), &["other#0"]),
        ("Medication", format!("code=a&_id=n{alone}"), &["two#1"]),
        ("Medication", format!("_lastUpdated=gt2020&code=b{alone}"), &["other#0"]),
        ("Medication", format!("_lastUpdated=lt2020{alone}"), &[]),
        ("Medication", format!("manufacturer.name=Inside{alone}"), &["one#0"]),
        ("Medication", format!("manufacturer.name=Outside{both}"), &["alone", "other#0"]),
        ("Medication", format!("_filter=code eq a and not (status eq active){alone}"), &["one#0", "two#0", "within#0"]),
        ("Medication", format!("code:text=none{alone}"), &[]),
        ("Medication", format!("form:text=none{alone}"), &["other#0"]),
        ("Organization", format!("name=ins{alone}"), &["one#1"]),
        ("Organization", "name=ins".into(), &[]),
        ("MedicationRequest", "medication.code=a".into(), &["one", "two"]),
        ("MedicationRequest", "medication:Medication.code:not=a".into(), &["other"]),
        ("MedicationRequest", "medication.manufacturer.name=Inside".into(), &["one"]),
        ("MedicationRequest", "medication.manufacturer.name=Outside".into(), &["other"]),
        ("MedicationRequest", "medication._id=m".into(), &["one", "other", "two"]),
        ("MedicationRequest", "medication:missing=true".into(), &[]),
        ("MedicationRequest", "_contained=true".into(), &[]),
    ];
    for (of, query, expected) in cases {
        let search = parse(&fixture.table, Some(of), &query).unwrap_or_else(|error| panic!("{of}?{query}: {error}"));
        let search = seen(&fixture.table, search, &Boundary::Unrestricted);
        let wanted: BTreeSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
        // The bodies at hand have no `meta.lastUpdated` yet.
        if !query.contains("_lastUpdated=") {
            assert_eq!(matches(&fixture.table, &search, &all), wanted, "{of}?{query} in memory");
        }
        let at_once = find(&fixture, &search, &Boundary::Unrestricted, 100).await;
        for count in [100, 2, 1] {
            let found = find(&fixture, &search, &Boundary::Unrestricted, count).await;
            assert_eq!(found, at_once, "{of}?{query} in pages of {count}");
            assert_eq!(found.len(), expected.len(), "{of}?{query}: once each, {found:?}");
            assert_eq!(BTreeSet::from_iter(found), wanted, "{of}?{query}");
        }
        assert_eq!(fixture.count(&search, &Boundary::Unrestricted).await, expected.len() as i64, "{of}?{query}");
    }
    // The compartment of the container decides; what Medications contain is in a directory.
    let boundary = Boundary::Patient("q".to_owned());
    for (query, expected) in [
        (format!("code=a{alone}"), vec!["within#0", "two#1", "two#0"]),
        ("code=b&_contained=true".into(), vec!["other"]),
    ] {
        let search = parse(&fixture.table, Some("Medication"), &query).expect("a query");
        let search = seen(&fixture.table, search, &boundary);
        assert_eq!(find(&fixture, &search, &boundary, 10).await, expected, "{query}");
    }
    // Of a type that the token does not cover nothing comes.
    let mut search = parse(&fixture.table, Some("Medication"), &format!("code=a{alone}")).expect("a query");
    search.containers = Some((vec!["Medication"], Boundary::Unrestricted));
    assert_eq!(find(&fixture, &search, &Boundary::Unrestricted, 10).await, ["within#0"]);
    search.containers = None;
    assert!(find(&fixture, &search, &Boundary::Unrestricted, 10).await.is_empty());

    // What changes, changes; what is deleted is gone.
    let mut one = all[3].clone();
    one["contained"][0]["code"] = coded("z");
    fixture.put(std::slice::from_ref(&one)).await;
    let ask = async |query: &str| {
        let search = parse(&fixture.table, Some("Medication"), query).expect("a query");
        find(&fixture, &seen(&fixture.table, search, &Boundary::Unrestricted), &Boundary::Unrestricted, 10).await
    };
    assert_eq!(ask("code=a&_contained=true&_sort=_id").await, ["two", "within"]);
    assert_eq!(ask("code=z&_contained=true").await, ["one"]);
    let number = fixture.table.entry("MedicationRequest").expect("a type").number;
    fixture.store.write(Unit::new(vec![Operation::delete(number, "one")])).await.expect("deleted");
    assert!(ask("code=z&_contained=true").await.is_empty());
    let report = fixture.store.check(|_| {}).await.expect("checked");
    assert_eq!(report.faults, Vec::<String>::new());
    differential(&fixture).await;
}

/// Every parameter finds what is contained by the values that it finds alone, in SQL and in memory.
async fn differential(fixture: &Fixture) {
    let (table, mut all) = (&fixture.table, Vec::new());
    for (at, resource) in corpus().into_iter().filter(|one| one["resourceType"] != "Bundle").enumerate() {
        all.push(
            json!({ "resourceType": "Basic", "id": format!("b{at}"), "code": coded("x"), "contained": [resource] }),
        );
    }
    fixture.put(&all).await;
    let mut asked = 0;
    let mut pairs: BTreeMap<&str, BTreeSet<(String, String)>> = BTreeMap::new();
    for container in &all {
        let Some((entry, node)) = table.root(&container["contained"][0]) else { continue };
        for parameter in table.parameters(entry.name).filter(|known| known.is_in_tables()) {
            let code = parameter.definition.code;
            let of_type = pairs.entry(entry.name).or_default();
            of_type.insert((format!("{code}:missing"), "true".to_owned()));
            let (_, outer) = table.root(container).expect("a Basic");
            for value in values_within(parameter.definition, outer, node).iter().take(2) {
                of_type.extend(queries(code, value));
            }
        }
    }
    for (name, pairs) in pairs {
        for pair in pairs.into_iter().step_by(3) {
            let shape = [("_contained", "true"), ("_containedType", "contained")]
                .map(|(name, value)| (name.into(), value.into()));
            let pairs: Vec<(String, String)> = [pair.clone()].into_iter().chain(shape).collect();
            let (search, _) = Search::parse(table, Some(name), &pairs, Handling::Strict, now())
                .unwrap_or_else(|error| panic!("{name}?{}={}: {error}", pair.0, pair.1));
            let mut search = seen(table, search, &Boundary::Unrestricted);
            search.containers.as_mut().expect("types").0 = vec!["Basic"];
            let found = find(fixture, &search, &Boundary::Unrestricted, 7).await;
            assert_eq!(BTreeSet::from_iter(found), matches(table, &search, &all), "{name}?{}={}", pair.0, pair.1);
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_finds_what_is_contained_where_its_container_is_seen() {
    check(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_finds_what_is_contained_where_its_container_is_seen() {
    if let Some(fixture) = Fixture::generated_on_postgres("contained").await {
        check(fixture).await;
    }
}

/// A type of which nothing stands by itself is indexed anew all the same, where it is contained.
#[tokio::test]
async fn what_is_only_contained_is_indexed_anew() {
    let old = "https://old.example.org/apis/default/fhir";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("site").join("vesta.db");
    let open = async |base: &'static str| {
        let database = Database::Sqlite { file: file.clone() };
        Fixture::open(database, DbBackend::Sqlite, None, types(vesta_guides::GUIDES), base).await
    };
    let first = open(old).await;
    let maker = json!({ "reference": format!("{BASE}/Organization/o") });
    let contained = json!([{ "resourceType": "Medication", "id": "m", "manufacturer": maker }]);
    first.put(&[json!({ "resourceType": "Basic", "id": "b", "code": coded("x"), "contained": contained })]).await;
    let find = async |fixture: &Fixture| {
        let query = "manufacturer=Organization/o&_contained=true";
        let search = seen(&fixture.table, parse(&fixture.table, Some("Medication"), query)?, &Boundary::Unrestricted);
        Ok::<_, SearchError>(fixture.find(&search, &Boundary::Unrestricted, 10).await)
    };
    assert!(find(&first).await.expect("indexed").is_empty());
    first.store.close().await;
    drop(first);
    let second = open(BASE).await;
    assert_eq!(find(&second).await.expect_err("not indexed yet").issues[0].kind, IssueKind::NotIndexed);
    while !second.store.reindex_bite(100).await.expect("a bite").is_complete() {}
    assert_eq!(find(&second).await.expect("indexed"), ["b"]);
    assert_eq!(second.store.check(|_| {}).await.expect("checked").faults, Vec::<String>::new());
}
