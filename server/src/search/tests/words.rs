//! The index of words follows the bodies, on both databases; and a site may do without it.

use serde_json::json;

use super::*;

fn note(id: &str, words: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": words},
        "text": {"status": "additional", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{words}</div>")}})
}

async fn find(fixture: &Fixture, query: &str) -> Vec<String> {
    let search = parse(&fixture.table, Some("Observation"), query).unwrap_or_else(|error| panic!("{query}: {error}"));
    fixture.find(&search, &Boundary::Unrestricted, 2).await
}

async fn healthy(fixture: &Fixture) -> u64 {
    let report = fixture.store.check(|_| ()).await.expect("the check runs");
    assert_eq!(report.faults, Vec::<String>::new());
    report.index_rows
}

async fn words_follow_each_change(fixture: Fixture) {
    fixture.put(&[note("a", "red apple"), note("b", "green apple"), note("c", "green pear"), note("d", "apple")]).await;
    assert_eq!(find(&fixture, "_text=apple").await, ["d", "b", "a"]);
    let before = healthy(&fixture).await;
    fixture.put(&[note("b", "green plum")]).await;
    for query in ["_text=apple", "_content=apple"] {
        assert_eq!(find(&fixture, query).await, ["d", "a"], "{query}");
    }
    assert_eq!(find(&fixture, "_content=plum or pear&_text=green").await, ["c", "b"]);
    assert_eq!(healthy(&fixture).await, before);
    // Without a narrative there is no row of it.
    let mut bare = note("a", "red apple");
    bare.as_object_mut().expect("an object").remove("text");
    fixture.put(&[bare]).await;
    assert_eq!(find(&fixture, "_text:missing=true").await, ["a"]);
    assert_eq!(healthy(&fixture).await, before - 1);
    let number = fixture.table.entry("Observation").expect("a type").number;
    fixture.store.write(Unit::new(vec![Operation::delete(number, "d")])).await.expect("deleted");
    assert_eq!(find(&fixture, "_content=apple").await, ["a"]);
    assert_eq!(find(&fixture, "_text:missing=false").await, ["b", "c"], "last changed first");
    healthy(&fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_follow_each_change_on_sqlite() {
    words_follow_each_change(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_follow_each_change_on_postgres() {
    if let Some(fixture) = Fixture::postgres("words").await {
        words_follow_each_change(fixture).await;
    }
}

/// What a site without the index had of it is removed, and comes back with it.
async fn a_site_may_do_without(open: impl AsyncFn(bool, Vec<TypeEntry>) -> Option<Fixture>) {
    let reindexed =
        async |fixture: &Fixture| while !fixture.store.reindex_bite(2).await.expect("a bite").is_complete() {};
    let Some(with) = open(true, parameters::types()).await else { return };
    with.put(&[note("a", "red apple"), note("b", "green apple"), note("c", "pear")]).await;
    let rows = healthy(&with).await;
    with.store.close().await;
    let without = open(false, without_words(parameters::types())).await.expect("it was there");
    let refused = parse(&without.table, Some("Observation"), "_text=apple").expect_err("not offered");
    assert_eq!(refused.issues[0].kind, IssueKind::NotSupported);
    without.put(&[note("a", "red cherry"), note("d", "apple")]).await;
    reindexed(&without).await;
    healthy(&without).await;
    without.store.close().await;
    let again = open(false, parameters::types()).await.expect("it was there");
    let early = parse(&again.table, Some("Observation"), "_content=apple").expect_err("not indexed yet");
    assert_eq!(early.issues[0].kind, IssueKind::NotIndexed);
    again.put(&[note("c", "an apple and a pear")]).await;
    reindexed(&again).await;
    for query in ["_content=apple", "_text=apple"] {
        assert_eq!(find(&again, query).await, ["d", "c", "b"], "{query}");
    }
    assert!(healthy(&again).await > rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_may_do_without_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("site").join("vesta.db");
    a_site_may_do_without(async |_, types| {
        Some(Fixture::open(Database::Sqlite { file: file.clone() }, DbBackend::Sqlite, None, types, BASE).await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_may_do_without_on_postgres() {
    a_site_may_do_without(async |is_first, types| match is_first {
        true => Fixture::on_postgres("without_words", types).await,
        false => {
            let url = std::env::var("VESTA_TEST_POSTGRES").expect("it was there");
            let pool = PostgresPool::connect(&url, 4, Duration::from_secs(20)).await.expect("PostgreSQL answers");
            let database = Database::Postgres { pool, schema: "search_without_words".to_owned() };
            Some(Fixture::open(database, DbBackend::Postgres, None, types, BASE).await)
        }
    })
    .await;
}
