//! Pages by keyset: a resource that is not written meanwhile appears exactly once, in either direction.

use serde_json::json;

use super::*;
use crate::store::Found;

fn observation(id: usize, day: usize) -> Value {
    json!({"resourceType": "Observation", "id": format!("o{id}"), "status": "final", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"code": "c"}]}, "effectiveDateTime": format!("2024-01-{:02}", day % 28 + 1)})
}

async fn forward_and_back(fixture: &Fixture, of: Option<&str>, query: &str) {
    let mut search = parse(&fixture.table, of, query).expect("a query");
    let boundary = Boundary::Unrestricted;
    search.lead =
        fixture.planner().lead(&search, Access { boundary: &boundary }, &fixture.store).await.expect("counted");
    let whole = fixture.page(&search, &boundary, 1000, None).await;
    assert!(whole.next.is_none() && whole.previous.is_none());
    let whole: Vec<i64> = whole.found.iter().map(|found| found.stored.key).collect();
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let mut page = fixture.page(&search, &boundary, 3, None).await;
    loop {
        forward.extend(page.found.iter().map(|found| found.stored.key));
        let Some(next) = page.next.take() else { break };
        // As a cursor carries it.
        let next = Position::from_bytes(&next.to_bytes()).expect("a position");
        page = fixture.page(&search, &boundary, 3, Some(next)).await;
    }
    loop {
        backward.splice(0..0, page.found.iter().map(|found| found.stored.key));
        let Some(previous) = page.previous.take() else { break };
        page = fixture.page(&search, &boundary, 3, Some(previous)).await;
    }
    assert_eq!(forward, whole, "{query} forward");
    assert_eq!(backward, whole, "{query} backward");
}

async fn pages(fixture: Fixture) {
    let mut resources: Vec<Value> = (0..20).map(|at| observation(at, at * 7 % 5)).collect();
    // Some refer to another patient, and some to one that is not here.
    for (at, resource) in resources.iter_mut().enumerate().step_by(3) {
        resource["subject"]["reference"] = format!("Patient/{}", if at % 2 == 0 { "q" } else { "gone" }).into();
    }
    for (id, family) in [("p", "Smith"), ("q", "Doe")] {
        resources.push(json!({"resourceType": "Patient", "id": id, "birthDate": "1980", "name": [{"family": family}]}));
    }
    for resource in resources.iter_mut().step_by(2) {
        resource["meta"] = json!({"tag": [{"system": "http://x", "code": "t"}]});
    }
    // Some without a date.
    for resource in resources.iter_mut().step_by(6) {
        resource.as_object_mut().expect("an object").remove("effectiveDateTime");
    }
    fixture.put(&resources).await;
    for query in [
        "",
        "patient=p",
        "patient=p&_sort=date",
        "patient=p&_sort=-date",
        "code=c",
        "code=c&_sort=date",
        "code=c&_sort=-date,_id",
        "status=final&_sort=-_lastUpdated,_id",
        "date=ge2023",
        "code=c,d",
        "_content=observation",
        "_content=final or nothing&_sort=date",
        "_sort=date,-_id",
        "_sort=subject",
        "status=final&_sort=-patient,date",
        "_sort=-code,-_id",
        "_sort=patient.family,-date",
        "code=c&_sort=-patient.birthdate",
        "patient=p&_sort=code,-date",
        "patient=p&_sort=-performer,_id",
        "patient=p&_sort=value-string,value-quantity",
    ] {
        forward_and_back(&fixture, Some("Observation"), query).await;
    }
    for query in [
        "",
        "_type=Patient,Observation",
        "_type=Patient,Observation&_lastUpdated=gt2020",
        "_type=Patient,Observation&_sort=-_lastUpdated,_id",
        "_type=Patient,Observation&_sort=_id",
        "_type=Patient,Observation&_id=p,o1,o2,o3,o4,o5",
        "_content=final",
        "_type=Patient,Observation&_content=final or smith&_sort=_id",
        "_type=Patient,Observation&_tag=t",
        "_tag=http://x|t&_sort=-_lastUpdated",
        "_type=Patient,Observation&_tag=none,t&_sort=_id",
    ] {
        forward_and_back(&fixture, None, query).await;
    }
}

async fn pages_while_others_write(fixture: Fixture) {
    let resources: Vec<Value> = (0..30).map(|at| observation(at, at)).collect();
    fixture.put(&resources).await;
    for query in ["patient=p", "code=c", "code=c&_sort=date", "date=ge2023"] {
        let search = parse(&fixture.table, Some("Observation"), query).expect("a query");
        let mut seen = Vec::new();
        let mut position = None;
        let mut written = 100;
        loop {
            let page = fixture.page(&search, &Boundary::Unrestricted, 4, position).await;
            seen.extend(page.found.iter().map(|found| found.stored.id.clone()));
            let Some(next) = page.next else { break };
            position = Some(next);
            // Odd ones are written anew, with another date, and new ones come.
            fixture.put(&[observation((written % 30) | 1, written), observation(written, written)]).await;
            written += 7;
            assert!(seen.len() < 500, "{query}: pages never end");
        }
        for at in (0..30).step_by(2) {
            let times = seen.iter().filter(|id| **id == format!("o{at}")).count();
            assert_eq!(times, 1, "{query}: o{at}, which nobody wrote, appears {times} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_sqlite() {
    pages(Fixture::sqlite().await).await;
    pages_while_others_write(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_postgres() {
    if let Some(fixture) = Fixture::postgres("pages").await {
        pages(fixture).await;
    }
    if let Some(fixture) = Fixture::postgres("pages_while_others_write").await {
        pages_while_others_write(fixture).await;
    }
}

/// What is put in order here is in the order that the database gives, key by key.
async fn orders_agree(fixture: Fixture) {
    let coded = |at: usize| {
        let codes = [&["b"][..], &["a", "c"], &[], &["C"], &["b", "a"], &["\u{e9}"]][at % 6];
        codes.iter().map(|code| json!({"system": "http://s", "code": code})).collect::<Vec<_>>()
    };
    let resources: Vec<Value> = (0..40)
        .map(|at| {
            let mut one = observation(at, at * 7 % 5);
            one["code"] = json!({"coding": coded(at), "text": "t"});
            one["status"] = ["final", "amended"][at / 3 % 2].into();
            if at % 4 > 0 {
                one["performer"] = json!([{"reference": format!("Practitioner/{}", at % 5)},
                    {"reference": format!("https://elsewhere.org/fhir/Practitioner/{}", at % 3)}, {"display": "x"}]);
            }
            match at % 5 {
                0 | 1 => one["valueString"] = format!("Word {} {}", at % 3, "\u{c4}b".repeat(at * 10)).into(),
                2 | 3 => {
                    one["valueQuantity"] =
                        json!({"value": at % 7, "code": "mg", "system": "http://unitsofmeasure.org"});
                }
                _ => {}
            }
            if at % 9 == 0 {
                one.as_object_mut().expect("an object").remove("effectiveDateTime");
            }
            one
        })
        .collect();
    for some in resources.chunks(7) {
        fixture.put(some).await;
    }
    let own = Boundary::Patient("p".to_owned());
    for sort in [
        "code",
        "-code",
        "status,-code",
        "-status,date",
        "performer",
        "-performer,-date",
        "value-string",
        "-value-string",
        "value-quantity,code",
        "-code,value-quantity",
        "code,_lastUpdated",
        "-status,-_lastUpdated",
        "status,_id",
        "performer,-_id",
        "subject,code",
        "category,-code",
    ] {
        for (query, boundary) in
            [(format!("patient=p&_sort={sort}"), &Boundary::Unrestricted), (format!("_sort={sort}"), &own)]
        {
            let search = parse(&fixture.table, Some("Observation"), &query).expect("a query");
            let access = Access { boundary };
            assert!(fixture.planner().without_order(&search, access).is_some(), "{query}");
            let plan = fixture.planner().page(&search, access, 1_000, None);
            let wanted = fixture.store.page(&plan.statement, plan.sort_columns).await.expect("a page");
            let found = fixture.page(&search, boundary, 1_000, None).await.found;
            assert_eq!(found.len(), 40);
            assert_eq!(found, wanted, "{query}");
            // A cursor of either leads on in the other.
            for at in [3, 20, 39] {
                let position = Position {
                    forward: at % 2 == 0,
                    ..Position { values: wanted[at].sort.clone(), key: wanted[at].stored.key, forward: true }
                };
                let plan = fixture.planner().page(&search, access, 5, Some(position.clone()));
                let wanted = plan.page(fixture.store.page(&plan.statement, plan.sort_columns).await.expect("a page"));
                let found = fixture.page(&search, boundary, 5, Some(position)).await;
                assert_eq!(found.found, wanted.found, "{query} from {at}");
                assert_eq!(
                    (found.next.is_some(), found.previous.is_some()),
                    (wanted.next.is_some(), wanted.previous.is_some())
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_agree_on_sqlite() {
    orders_agree(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_agree_on_postgres() {
    if let Some(fixture) = Fixture::postgres("orders").await {
        orders_agree(fixture).await;
    }
}

/// A walk in the order of an index gives the pages that the database gives where it puts all in order, and no cursor tells
/// which of the two it is of.
async fn walks_in_order_agree(fixture: Fixture) {
    let patients = (0..40).map(|at| {
        let family = ["Smith", "smith", "Doe", "\u{c4}rger", "", "Doe"][at % 6];
        let mut names = vec![json!({"family": format!("{family}{}", at % 4), "given": ["Ann", "Zoe"]})];
        if at % 3 == 0 {
            names.push(json!({"family": format!("Maiden{}", at % 5)}));
        }
        let mut one = json!({"resourceType": "Patient", "id": format!("p{at}"), "name": names, "birthDate": format!("19{:02}", at % 30)});
        for (every, element) in [(7, "name"), (5, "birthDate")] {
            if at % every == 0 {
                one.as_object_mut().expect("an object").remove(element);
            }
        }
        one
    });
    let observations = (0..40).map(|at| {
        let mut one = observation(at, at * 7 % 5);
        one["status"] = ["final", "amended"][at / 3 % 2].into();
        match at % 5 {
            0 | 1 => one["valueString"] = format!("Word {} {}", at % 3, "\u{c4}b".repeat(at * 10)).into(),
            2 | 3 => {
                let (value, code) = (at % 7, if at % 2 == 0 { "mg" } else { "g" });
                one["valueQuantity"] = json!({"value": value, "code": code, "system": "http://unitsofmeasure.org"});
            }
            _ => {}
        }
        if at % 9 == 0 {
            one.as_object_mut().expect("an object").remove("effectiveDateTime");
        }
        one
    });
    let resources: Vec<Value> = patients.chain(observations).collect();
    for some in resources.chunks(7) {
        fixture.put(some).await;
    }
    let boundary = Boundary::Unrestricted;
    let access = Access { boundary: &boundary };
    for (of, query, is_walked) in [
        ("Patient", "_sort=family", true),
        ("Patient", "_sort=-family", true),
        ("Patient", "_sort=name", true),
        ("Patient", "birthdate=ge1910&_sort=-name", true),
        ("Patient", "_sort=-birthdate", true),
        ("Patient", "name:exact=Doe1&_sort=-birthdate", true),
        ("Observation", "_sort=-date", true),
        ("Observation", "status=final&_sort=-date", true),
        ("Observation", "status:not=final&_sort=-date", true),
        ("Observation", "status=final&_sort=_lastUpdated", true),
        ("Observation", "status=final&_sort=-_lastUpdated", true),
        ("Observation", "code=c,d&_sort=-_id", true),
        ("Observation", "code=c&_sort=value-string", true),
        ("Observation", "code=c&_sort=-value-string", true),
        ("Observation", "_sort=-value-quantity", true),
        ("Patient", "_sort=family,given", true),
        ("Patient", "birthdate=ge1905&_sort=-family,birthdate", true),
        ("Patient", "_sort=family,-given,_id", true),
        ("Observation", "_sort=-date,-_id", true),
        ("Observation", "status=final&_sort=-date,value-quantity", true),
        ("Observation", "_sort=-_lastUpdated,date", true),
        // As where more were changed since then than are counted.
        ("Observation", "status=final&_lastUpdated=gt2020&_sort=-date", true),
        // In the order of what is walked already.
        ("Observation", "_sort=-_lastUpdated,_id", false),
        ("Observation", "_sort=-_lastUpdated", false),
        ("Observation", "_sort=_id", false),
        // No index has these.
        ("Observation", "status=final&_sort=date", false),
        ("Observation", "_sort=code", false),
        ("Observation", "_sort=-date,status", false),
        // Few are found by what they refer to, and what a chain leads to is found at once.
        ("Observation", "performer=Practitioner/1&_sort=-date", false),
        ("Observation", "subject:Patient.name=x&_sort=-date", false),
    ] {
        let search = parse(&fixture.table, Some(of), query).expect("a query");
        let in_order = fixture.planner().in_order(&search, access);
        assert_eq!(in_order.is_some(), is_walked, "{query}");
        let page = async |count: usize, position: Option<Position>| {
            let plan = fixture.planner().page(&search, access, count, position);
            plan.page(fixture.store.page(&plan.statement, plan.sort_columns).await.expect("a page"))
        };
        let all = page(1_000, None).await.found;
        assert!(all.len() > 2 || !is_walked, "{query}: {}", all.len());
        // Not led: of so few records all criteria lead to few, and nothing would be walked.
        let walked = async |count: usize, position: Option<Position>| {
            fixture.planner().find(&search, access, count, position, &fixture.store).await.expect("a page")
        };
        assert_eq!(walked(1_000, None).await.found, all, "{query}");
        for (at, from) in all.iter().enumerate() {
            for forward in [true, false] {
                let position = Position::at(from, forward);
                let (wanted, found) = (page(5, Some(position.clone())).await, walked(5, Some(position)).await);
                assert_eq!(found.found, wanted.found, "{query} from {at}, forward: {forward}");
                assert_eq!((found.next, found.previous), (wanted.next, wanted.previous), "{query} from {at}");
            }
        }
        let Some(in_order) = in_order else { continue };
        // The walk itself: what it has found up to an end is no more than stands before it.
        for end in [1, all.len() / 2] {
            let place = Position::at(&all[end], true);
            if place.values.contains(&crate::store::SortValue::Missing) {
                continue;
            }
            let plan = in_order.until(Some(&place), 1_000, None);
            let found = fixture.store.page(&plan.statement, plan.sort_columns).await.expect("a page");
            // By the first of several keys all that have its value there.
            let is_in = |found: &&Found| search.sort.len() > 1 && found.sort[0] == place.values[0];
            let equal = all[end + 1..].iter().take_while(is_in).count();
            assert_eq!(found, all[..=end + equal], "{query} up to {end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn walks_in_order_agree_on_sqlite() {
    walks_in_order_agree(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn walks_in_order_agree_on_postgres() {
    if let Some(fixture) = Fixture::generated_on_postgres("walks_in_order").await {
        walks_in_order_agree(fixture).await;
    }
}

/// Where few of those that are met are found, or those late, a page is whole all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_in_the_order_is_found() {
    let fixture = Fixture::sqlite().await;
    let mut resources: Vec<Value> = (0..2_600).map(|at| observation(at, at)).collect();
    for (at, resource) in resources.iter_mut().enumerate() {
        // By the date below the first are the last.
        resource["effectiveDateTime"] = format!("{}-01-01", 1_000 + at).into();
        resource["status"] = match at {
            0..10 => "amended",
            1_000..1_030 => "corrected",
            2_400..2_440 => "preliminary",
            _ => "final",
        }
        .into();
    }
    for some in resources.chunks(500) {
        fixture.put(some).await;
    }
    for (status, expected) in [("amended", 0..10), ("corrected", 1_000..1_030), ("preliminary", 2_400..2_440)] {
        let query = format!("status={status}&_sort=-date");
        let search = parse(&fixture.table, Some("Observation"), &query).expect("a query");
        // Not led, which would find these at once.
        let access = Access { boundary: &Boundary::Unrestricted };
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = fixture.planner().find(&search, access, 4, next, &fixture.store).await.expect("a page");
            found.extend(page.found.iter().map(|found| found.stored.id.clone()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let expected: Vec<String> = expected.rev().map(|at| format!("o{at}")).collect();
        assert_eq!(found, expected, "{query}");
    }
}
