//! The criterion that leads to the fewest is found by counting, and changes nothing but the cost.

use serde_json::json;

use super::*;

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
        // A patient's record is few, and so are those of one performer.
        ("patient=p&status=final&code=rare", None),
        ("performer=Practitioner/1&status=final", None),
    ] {
        let search = parse(&fixture.table, Some("Observation"), query).expect("a query");
        let found = fixture.planner().lead(&search, access, &fixture.store).await.expect("counted");
        assert_eq!(found, lead, "{query}");
        let ids = async |lead: Option<usize>| {
            let search = Search { lead, ..search.clone() };
            let page = fixture.planner().find(&search, access, 30, None, &fixture.store).await.expect("a page");
            page.found.into_iter().map(|found| found.stored.id).collect::<Vec<_>>()
        };
        if lead.is_some() {
            let usual = ids(None).await;
            assert!(!usual.is_empty(), "{query}");
            assert_eq!(ids(lead).await, usual, "{query}");
        }
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
