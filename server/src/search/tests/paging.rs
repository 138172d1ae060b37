//! Pages by keyset: a resource that is not written meanwhile appears exactly once, in either direction.

use serde_json::json;

use super::*;

fn observation(id: usize, day: usize) -> Value {
    json!({"resourceType": "Observation", "id": format!("o{id}"), "status": "final", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"code": "c"}]}, "effectiveDateTime": format!("2024-01-{:02}", day % 28 + 1)})
}

async fn forward_and_back(fixture: &Fixture, query: &str) {
    let search = parse(&fixture.table, Some("Observation"), query).expect("a query");
    let boundary = Boundary::Unrestricted;
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
        forward_and_back(&fixture, query).await;
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
