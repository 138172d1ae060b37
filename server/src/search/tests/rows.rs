//! When the rows in a database are those of this server.

use super::*;

/// Absolute references to the server's own base are local ones (<https://hl7.org/fhir/R4/references.html#literal>), so
/// under another base the rows of references are others, and those alone.
#[test]
fn a_changed_base_makes_the_rows_of_references_anew() {
    let hashes = |base: &str| {
        let known = definitions(&parameters::types(), base).into_iter();
        known.map(|known| ((known.resource_type, known.code), known.extractor_hash)).collect::<Vec<_>>()
    };
    let (before, after) = (hashes(BASE), hashes("https://other.example.org/apis/default/fhir"));
    assert_eq!(before, hashes(BASE));
    let table = table();
    for ((name, old), (_, new)) in before.iter().zip(&after) {
        let of = table.type_name(name.0).expect("a type");
        // What is no parameter is an element that the boundary follows: a reference too. An identity has no base.
        let is_reference = name.1 != format!("{of}.id")
            && table
                .parameter(of, &name.1)
                .is_none_or(|known| known.definition.kind == vesta_runtime::search::SearchParameterType::Reference);
        assert_eq!(old != new, is_reference, "{of} {}", name.1);
    }
    let changed = |kind| before.iter().zip(&after).filter(|(old, new)| (old != new) == kind).count();
    assert!(changed(true) > 0 && changed(false) > 0);
}

/// A composite with a reference among its parts has that reference in its rows.
#[test]
fn a_composite_of_references_belongs_to_the_base_too() {
    let hash = |base: &str| {
        let known = definitions(&types(vesta_guides::GUIDES), base);
        let document = table_number("DocumentReference");
        known.into_iter().find(|known| known.resource_type == document && known.code == "relationship")
    };
    let (before, after) = (hash(BASE).expect("R4 has it"), hash("https://other.example.org").expect("R4 has it"));
    assert_ne!(before.extractor_hash, after.extractor_hash);
}

fn table_number(name: &str) -> u16 {
    types(vesta_guides::GUIDES).into_iter().find(|entry| entry.name == name).expect("a type").number
}

/// The database of a server that got another address finds by the new one, and not by the old one.
#[tokio::test]
async fn a_site_under_a_new_address_finds_its_references_again() {
    let old = "https://old.example.org/apis/default/fhir";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("site").join("vesta.db");
    let open = async |base: &'static str| {
        let database = Database::Sqlite { file: file.clone() };
        Fixture::open(database, DbBackend::Sqlite, None, parameters::types(), base).await
    };
    let first = open(old).await;
    let subject = |text: String| serde_json::json!({ "reference": text });
    let resource = |id: &str, base: &str| {
        serde_json::json!({
            "resourceType": "Observation", "id": id, "status": "final", "subject": subject(format!("{base}/Device/d"))
        })
    };
    first.put(&[resource("by-old", old), resource("by-new", BASE)]).await;
    let find = async |fixture: &Fixture| {
        let search = parse(&fixture.table, Some("Observation"), "subject=Device/d").expect("indexed");
        fixture.find(&search, &Boundary::Unrestricted, 10).await
    };
    assert_eq!(find(&first).await, ["by-old"]);
    first.store.close().await;
    drop(first);
    let second = open(BASE).await;
    let early = parse(&second.table, Some("Observation"), "subject=Device/d");
    assert_eq!(early.expect_err("not indexed yet").issues[0].kind, IssueKind::NotIndexed);
    while !second.store.reindex_bite(100).await.expect("a bite").is_complete() {}
    assert_eq!(find(&second).await, ["by-new"]);
}

/// `vesta check` misses what codes are sorted by, and what the texts beside them are found by.
async fn texts_are_checked(fixture: Fixture, run: impl AsyncFn(&str)) {
    let code = serde_json::json!({ "coding": [{ "system": "http://e.org", "code": "c", "display": "Shown" }] });
    fixture.put(&[serde_json::json!({ "resourceType": "Basic", "id": "b", "code": code })]).await;
    let check = async || fixture.store.check(|_| {}).await.expect("checked").faults;
    assert_eq!(check().await, Vec::<String>::new());
    for table in ["index_display", "index_text"] {
        run(table).await;
        let faults = check().await.join("; ");
        assert!(faults.contains("a text that it is sorted or found by is missing"), "{table}: {faults}");
    }
}

#[tokio::test]
async fn the_check_misses_texts_on_sqlite() {
    let fixture = Fixture::generated().await;
    let file = fixture.folder.as_ref().expect("a folder").path().join("site").join("vesta.db");
    texts_are_checked(fixture, async |table| {
        let connection = rusqlite::Connection::open(&file).expect("the database opens");
        connection.execute(&format!("DELETE FROM {table}"), []).expect("deleted");
    })
    .await;
}

#[tokio::test]
async fn the_check_misses_texts_on_postgres() {
    let Some(fixture) = Fixture::generated_on_postgres("texts").await else { return };
    let url = std::env::var("VESTA_TEST_POSTGRES").expect("it was there");
    let connection = sea_orm::Database::connect(&url).await.expect("PostgreSQL answers");
    texts_are_checked(fixture, async |table| {
        let sql = format!("DELETE FROM search_texts.{table}");
        sea_orm::ConnectionTrait::execute_unprepared(&connection, &sql).await.expect("deleted");
    })
    .await;
}
