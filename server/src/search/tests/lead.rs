//! The criterion that leads to the fewest is found by counting, and changes nothing but the cost.

use serde_json::json;

use super::*;

/// Which criterion leads; where one does, the page is the same without it: its length then.
async fn leads(fixture: &Fixture, of: Option<&str>, query: &str, access: Access<'_>) -> (Option<usize>, Option<usize>) {
    let search = parse(&fixture.table, of, query).expect("a query");
    let lead = fixture.planner().lead(&search, access, &fixture.store).await.expect("counted");
    if lead.is_none() {
        return (None, None);
    }
    let usual = led(fixture, &search, access, None).await;
    assert_eq!(led(fixture, &search, access, lead).await, usual, "{query}");
    (lead, Some(usual.len()))
}

/// The ids of a page that is led so.
async fn led(fixture: &Fixture, search: &Search, access: Access<'_>, lead: Option<usize>) -> Vec<String> {
    let search = Search { lead, ..search.clone() };
    let page = fixture.planner().find(&search, access, 30, None, &fixture.store).await.expect("a page");
    page.found.into_iter().map(|found| found.stored.id).collect()
}

async fn the_fewest_lead(fixture: Fixture) {
    let observation = |at: usize| {
        let code = if at % 400 == 7 { "rare" } else { "common" };
        json!({"resourceType": "Observation", "id": format!("o{at}"), "status": "final", "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"code": code}]}, "effectiveDateTime": format!("20{:02}-01-02", at % 30)})
    };
    let resources: Vec<Value> = (0..1_200).map(observation).collect();
    for some in resources.chunks(400) {
        fixture.put(some).await;
    }
    // The first that there was is the last that was changed.
    fixture.put(&[observation(7)]).await;
    let boundary = Boundary::Unrestricted;
    let access = Access { boundary: &boundary };
    for (query, lead) in [
        ("status=final&code=rare", Some(1)),
        ("code=rare&status=final", Some(0)),
        // More than are counted.
        ("status=final&code=common", None),
        ("status:not=amended&code=rare&status=final", Some(1)),
        // Only one may lead; where an order is asked for, what is few is put in order.
        ("code=rare", None),
        ("code=rare&_sort=-date", Some(0)),
        ("date=ge2001&code=rare&_sort=-date", Some(1)),
        ("status=final&_sort=-date", None),
        // The rows of a range are put in the order of what would lead otherwise.
        ("date=2003&status=final", Some(0)),
        ("status=final&code=common&date=gt2028", Some(2)),
        // These alone are in the order of their values, and stay so.
        ("date=2003&date=ge2001", None),
        // All were changed since then, and what is few keeps the order of time.
        ("_lastUpdated=gt2020&code=rare", Some(1)),
        ("code=rare&_lastUpdated=gt2020&_sort=-date", Some(0)),
        ("_lastUpdated=gt2020&_sort=-date", None),
        ("_lastUpdated=gt2020&code=common", None),
        ("_lastUpdated=gt2020", None),
        // A patient's record is few, and so are those of one performer.
        ("patient=p&status=final&code=rare", None),
        ("performer=Practitioner/1&status=final", None),
    ] {
        let (found, length) = leads(&fixture, Some("Observation"), query, access).await;
        assert_eq!(found, lead, "{query}");
        assert_ne!(length, Some(0), "{query}");
    }
    // Where all are changed since, they are walked in the order that is asked for.
    for (query, in_order) in
        [("_lastUpdated=gt2020&_sort=-date", true), ("_lastUpdated=gt2020&code=rare&_sort=-date", false)]
    {
        let mut search = parse(&fixture.table, Some("Observation"), query).expect("a query");
        search.lead = fixture.planner().lead(&search, access, &fixture.store).await.expect("counted");
        assert_eq!(fixture.planner().in_order(&search, access).is_some(), in_order, "{query}");
    }
    let since = parse(&fixture.table, Some("Observation"), "_lastUpdated=gt2100&_sort=-date").expect("a query");
    let found = fixture.planner().lead(&since, access, &fixture.store).await.expect("counted");
    assert_eq!(found, Some(0), "none was changed since then");
}

/// Of several types what they share leads, where it is few; the order is the same.
async fn what_is_shared_leads(fixture: Fixture) {
    let tagged = |of: &str, at: usize, tag: &str| {
        json!({"resourceType": of, "id": format!("{at}"), "active": true, "meta": {"tag": [{"system": "http://x", "code": tag}]},
            "name": [{"family": "Doe"}]})
    };
    let mut resources: Vec<Value> =
        (0..1_100).map(|at| tagged("Patient", at, if at % 300 == 7 { "few" } else { "many" })).collect();
    resources.push(tagged("Practitioner", 1, "few"));
    for some in resources.chunks(400) {
        fixture.put(some).await;
    }
    fixture.put(&[tagged("Patient", 7, "few"), tagged("Patient", 307, "few")]).await;
    for (boundary, found, said) in [(Boundary::Unrestricted, 5, 1_101), (Boundary::Patient("307".to_owned()), 2, 2)] {
        let access = Access { boundary: &boundary };
        let words = parse(&fixture.table, None, "_content=doe").expect("a query");
        assert_eq!(fixture.page(&words, &boundary, 2_000, None).await.found.len(), said, "within the boundary");
        for (query, lead) in [
            ("_tag=few", Some(0)),
            ("_tag=http://x|few&_sort=_id", Some(0)),
            ("_type=Patient,Practitioner&name=doe&_tag=few", Some(1)),
            ("_type=Patient,Practitioner&_tag=few,none&_sort=-_lastUpdated", Some(0)),
            ("_tag=few&_content=doe", None),
            ("_tag=many", None),
            ("_tag=few&_id=1", None),
            ("_tag:not=few", None),
        ] {
            let length = lead.map(|_| found);
            assert_eq!(leads(&fixture, None, query, access).await, (lead, length), "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shared_leads_on_sqlite() {
    what_is_shared_leads(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shared_leads_on_postgres() {
    if let Some(fixture) = Fixture::postgres("shared_lead").await {
        what_is_shared_leads(fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fewest_lead_on_sqlite() {
    the_fewest_lead(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fewest_lead_on_postgres() {
    if let Some(fixture) = Fixture::postgres("lead").await {
        the_fewest_lead(fixture).await;
    }
}
