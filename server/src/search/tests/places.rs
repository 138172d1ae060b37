//! `near`, and composites of several ranges, wherever a criterion may stand: in chains, `_has`, `_filter`, `:not`-like
//! filters and what is contained. SQL and memory agree on random resources.
//! <https://hl7.org/fhir/R4/location.html#search>, <https://hl7.org/fhir/R4/search.html#composite>

use proptest::prelude::*;
use serde_json::json;

use super::cases::Corpus;
use super::differential::each_case;
use super::*;

const DEGREES: [&str; 9] = ["0", "0.5", "-0.5", "48.8566", "51.5074", "89.9", "-90", "179.9", "-179.9"];

fn place() -> impl Strategy<Value = Value> {
    let degrees = || prop::sample::select(&DEGREES[..]);
    prop_oneof![
        4 => (degrees(), degrees()).prop_map(|(latitude, longitude)| {
            let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
            let latitude = if latitude.contains("179") { "45" } else { latitude };
            json!({"resourceType": "Location", "position": {"latitude": number(latitude), "longitude": number(longitude)}})
        }),
        1 => Just(json!({"resourceType": "Location", "name": "nowhere"})),
    ]
}

fn sequence() -> impl Strategy<Value = Value> {
    let variants = prop::collection::vec((0..4u32, 0..4u32), 0..3);
    ("[12]", 0..4u32, 0..4u32, variants).prop_map(|(chromosome, start, end, variants)| {
        let variants: Vec<Value> =
            variants.into_iter().map(|(start, end)| json!({"start": start * 100, "end": end * 100})).collect();
        json!({"resourceType": "MolecularSequence", "coordinateSystem": 0, "variant": variants,
            "referenceSeq": {"chromosome": {"coding": [{"system": "http://c", "code": chromosome}]},
                "windowStart": start * 100, "windowEnd": end * 100}})
    })
}

/// What refers to them: each to one by its number, or to one that it contains.
fn referring() -> impl Strategy<Value = Value> {
    let at = || 0..6usize;
    prop_oneof![
        at().prop_map(|at| json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
            "location": [{"location": {"reference": format!("Location/r{at}")}}]})),
        at().prop_map(|at| json!({"resourceType": "Observation", "status": "final", "code": {"text": "t"},
            "derivedFrom": [{"reference": format!("MolecularSequence/r{at}")}]})),
        place().prop_map(|mut place| {
            place["id"] = json!("l");
            json!({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "contained": [place],
                "location": [{"location": {"reference": "#l"}}]})
        }),
        (place(), at()).prop_map(|(mut place, at)| {
            place["partOf"] = json!({"reference": format!("Location/r{at}")});
            place
        }),
    ]
}

/// Type and query, each with a value of the others in the place of `{}`.
const NEAR: [(&str, &str); 9] = [
    ("Location", "near={}"),
    ("Location", "near={},0|0|0|km"),
    ("Location", "_filter=not (near eq {})"),
    ("Location", "_filter=near ne {}"),
    ("Location", "_filter=near eq {} or partof.near eq {}"),
    ("Location", "partof.near={}"),
    ("Location", "_has:Location:partof:near={}"),
    ("Encounter", "location.near={}"),
    ("Encounter", "_filter=location.near eq {} and not (location.near pr false)"),
];

const COORDINATES: [(&str, &str); 7] = [
    ("MolecularSequence", "chromosome-window-coordinate={}"),
    ("MolecularSequence", "chromosome-variant-coordinate={}"),
    ("MolecularSequence", "chromosome-variant-coordinate:missing=true"),
    ("MolecularSequence", "_filter=not (chromosome-variant-coordinate eq {})"),
    ("MolecularSequence", "_filter=chromosome-variant-coordinate eq {} or chromosome-window-coordinate eq {}"),
    ("MolecularSequence", "_has:Observation:derived-from:status=final&chromosome-window-coordinate={}"),
    ("Observation", "derived-from.chromosome-variant-coordinate={}"),
];

fn near() -> impl Strategy<Value = (&'static str, String)> {
    let degrees = || prop::sample::select(&DEGREES[..]);
    let reach = prop::sample::select(&["", "|0|km", "|60|km", "|350|km", "|9000|km", "|30000|km"][..]);
    (prop::sample::select(&NEAR[..]), degrees(), degrees(), reach).prop_map(
        |((of, query), latitude, longitude, reach)| {
            let latitude = if latitude.contains("179") { "45" } else { latitude };
            (of, query.replace("{}", &format!("{latitude}|{longitude}{reach}")))
        },
    )
}

fn coordinate() -> impl Strategy<Value = (&'static str, String)> {
    let number = || {
        let prefix = prop::sample::select(&["", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"][..]);
        (prefix, 0..4u32).prop_map(|(prefix, number)| format!("{prefix}{}", number * 100))
    };
    let code = prop::sample::select(&["1", "http://c|1", "http://d|1", "2"][..]);
    (prop::sample::select(&COORDINATES[..]), code, number(), number())
        .prop_map(|((of, query), code, first, second)| (of, query.replace("{}", &format!("{code}${first}${second}"))))
}

fn agree(fixture: impl AsyncFn(usize) -> Option<Fixture>, cases: u32) {
    let some = prop::collection::vec(prop_oneof![place(), sequence()], 4..10);
    let queries = prop::collection::vec(prop_oneof![near(), coordinate()], 80);
    let given = (some, prop::collection::vec(referring(), 0..10), queries);
    each_case(fixture, cases, &given, async |fixture, (some, others, queries)| {
        let mut all: Vec<Value> = some.into_iter().chain(others).collect();
        all.iter_mut().enumerate().for_each(|(at, one)| one["id"] = json!(format!("r{at}")));
        fixture.put(&all).await;
        let around = Corpus::new(&fixture.table, &all, None);
        for (of, query) in &queries {
            let search = parse(&fixture.table, Some(of), query).unwrap_or_else(|error| panic!("{query}: {error}"));
            let matching = all.iter().filter(|one| search.matches_among(&fixture.table, one, &around));
            let mut expected: Vec<&str> = matching.map(|one| one["id"].as_str().expect("an id")).collect();
            expected.sort_unstable();
            let mut found = fixture.find(&search, &Boundary::Unrestricted, 3).await;
            found.sort();
            assert_eq!(found, expected, "{of}?{query} over {}", Value::Array(all.clone()));
            assert_eq!(fixture.count(&search, &Boundary::Unrestricted).await, expected.len() as i64, "{query}");
        }
        assert_eq!(fixture.store.check(|_| {}).await.expect("checked").faults, Vec::<String>::new());
    });
}

#[test]
fn sqlite_and_memory_agree_on_places_and_coordinates() {
    agree(async |_| Some(Fixture::generated().await), 6);
}

#[test]
fn postgres_and_memory_agree_on_places_and_coordinates() {
    agree(async |case| Fixture::generated_on_postgres(&format!("places{case}")).await, 2);
}

/// "Contained resources" are found by where they are as any: <https://hl7.org/fhir/R4/search.html#contained>
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contained_location_is_found_by_its_place() {
    for fixture in [Some(Fixture::generated().await), Fixture::generated_on_postgres("contained_place").await]
        .into_iter()
        .flatten()
    {
        let encounter = |id: &str, latitude: u32| {
            json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
                "contained": [{"resourceType": "Location", "id": "l", "position": {"latitude": latitude, "longitude": 0}}],
                "location": [{"location": {"reference": "#l"}}]})
        };
        fixture.put(&[encounter("here", 10), encounter("there", 50)]).await;
        let search = parse(&fixture.table, Some("Location"), "near=10|0|1|km&_contained=true").expect("a query");
        let search = Search { containers: Some((vec!["Encounter"], Boundary::Unrestricted)), ..search };
        assert_eq!(fixture.find(&search, &Boundary::Unrestricted, 5).await, ["here"]);
    }
}
