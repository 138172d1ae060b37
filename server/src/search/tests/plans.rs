//! How the databases run a plan, what is included with a page, and what is dropped from one.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{PostgresQueryBuilder, SqliteQueryBuilder};
use serde_json::json;

use super::*;

/// The steps that SQLite takes.
fn steps(fixture: &Fixture, of: &str, query: &str, boundary: &Boundary) -> Vec<String> {
    let search = parse(&fixture.table, Some(of), query).expect("a query");
    let plan = fixture.planner().page(&search, Access { boundary }, 20, None);
    let file = fixture.folder.as_ref().expect("a folder").path().join("site").join("vesta.db");
    let connection = rusqlite::Connection::open(file).expect("the database opens");
    let sql = format!("EXPLAIN QUERY PLAN {}", plan.statement.to_string(SqliteQueryBuilder));
    let mut statement = connection.prepare(&sql).expect("a statement");
    let steps = statement.query_map([], |row| row.get::<_, String>(3)).expect("steps");
    steps.map(|step| step.expect("a step")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_walks_in_order_and_probes_by_key() {
    let fixture = Fixture::sqlite().await;
    let own = Boundary::Patient("p".to_owned());
    for (of, query, boundary, walk, probe) in [
        (
            "Observation",
            "patient=p&category=http://x|laboratory&_sort=-date",
            &Boundary::Unrestricted,
            "SEARCH walk USING PRIMARY KEY (patient=? AND type=?)",
            "SEARCH row USING PRIMARY KEY (parameter=? AND value=? AND resource=?)",
        ),
        (
            "Observation",
            "code=http://x|a&date=ge2024",
            &own,
            "SEARCH walk USING PRIMARY KEY (patient=? AND type=? AND high>?)",
            "SEARCH row USING PRIMARY KEY (parameter=? AND value=? AND resource=?)",
        ),
        (
            "Patient",
            "name=smith&birthdate=1980",
            &Boundary::Unrestricted,
            "SEARCH lead USING PRIMARY KEY (parameter=? AND value>? AND value<?)",
            "SEARCH row USING PRIMARY KEY (parameter=? AND resource=?)",
        ),
        (
            "Observation",
            "code=http://x|a&status=final",
            &Boundary::Unrestricted,
            "SEARCH lead USING PRIMARY KEY (parameter=? AND value=?)",
            "SEARCH row USING PRIMARY KEY (parameter=? AND value=? AND resource=?)",
        ),
    ] {
        let steps = steps(&fixture, of, query, boundary);
        for step in [walk, probe] {
            assert!(steps.iter().any(|taken| taken == step), "{of}?{query}: {step} is not among {steps:#?}");
        }
        // The walk is in the order asked for, except where several texts begin alike.
        let sorts = steps.iter().any(|step| step.contains("ORDER BY"));
        assert_eq!(sorts, query.starts_with("name"), "{of}?{query}: {steps:#?}");
    }
    // Both bounds are of the one date that is walked: none is asked of each resource anew.
    for query in ["date=ge2020&date=lt2021", "date=lt2021&date=ge2020", "date=lt2021&date=ge2020&_sort=-date"] {
        let search = parse(&fixture.table, Some("Observation"), query).expect("a query");
        let access = Access { boundary: &Boundary::Unrestricted };
        let in_order = fixture.planner().in_order(&search, access);
        assert_eq!(in_order.is_some(), query.contains("_sort"));
        let statement = match in_order {
            Some(walk) => walk.until(None, 20, None).statement,
            None => fixture.planner().page(&search, access, 20, None).statement,
        };
        let sql = statement.to_string(SqliteQueryBuilder);
        assert_eq!(sql.matches("index_date").count(), 1, "{query}: {sql}");
    }
}

/// A prepared statement turns generic: what was a walk of one patient's rows must not become a join of whole tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_to_the_patients_rows_under_a_generic_plan() {
    let Some(fixture) = Fixture::postgres("generic_plans").await else { return };
    let url = std::env::var("VESTA_TEST_POSTGRES").expect("it was there");
    let connection =
        sea_orm::Database::connect(sea_orm::ConnectOptions::new(url).max_connections(1).sqlx_logging(false).to_owned())
            .await
            .expect("PostgreSQL answers");
    let mut resources = Vec::new();
    for patient in 0..100 {
        for at in 0..20 {
            let category = if at % 2 == 0 { "laboratory" } else { "vital-signs" };
            resources.push(json!({"resourceType": "Observation", "id": format!("o{patient}-{at}"), "status": "final",
                "subject": {"reference": format!("Patient/p{patient}")}, "effectiveDateTime": format!("2024-01-{:02}", at + 1),
                "category": [{"coding": [{"system": "http://x", "code": category}]}]}));
        }
    }
    fixture.put(&resources).await;
    connection.execute_unprepared("ANALYZE").await.expect("statistics");
    let search =
        parse(&fixture.table, Some("Observation"), "patient=p7&category=http://x|laboratory").expect("a query");
    let access = Access { boundary: &Boundary::Unrestricted };
    let plan = fixture.planner().page(&search, access, 5, None);
    let (sql, values) = plan.statement.build(PostgresQueryBuilder);
    // The names of the values' types, as the driver declares them.
    let types: Vec<&str> = values
        .iter()
        .map(|value| match value {
            sea_orm::Value::Int(_) => "int",
            sea_orm::Value::String(_) => "text",
            sea_orm::Value::Bool(_) => "bool",
            _ => "bigint",
        })
        .collect();
    let literals: Vec<String> = values
        .iter()
        .map(|value| {
            sea_orm::sea_query::Query::select()
                .expr(sea_orm::sea_query::Expr::val(value.clone()))
                .to_string(PostgresQueryBuilder)
        })
        .map(|text| text.trim_start_matches("SELECT ").to_owned())
        .collect();
    connection.execute_unprepared("SET plan_cache_mode = force_generic_plan").await.expect("set");
    connection.execute_unprepared(&format!("PREPARE page({}) AS {sql}", types.join(", "))).await.expect("prepared");
    let explain = format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page({})", literals.join(", "));
    let row = connection
        .query_one_raw(sea_orm::Statement::from_string(DbBackend::Postgres, explain))
        .await
        .expect("explained")
        .expect("a row");
    let explained: Value = row.try_get_by_index(0).expect("JSON");
    let mut most = 0.0;
    touched(&explained[0]["Plan"], &mut most);
    // The dictionary of 100 patients is one page, which may be read whole; a join of tables would touch a thousand rows.
    assert!(most <= 100.0, "a step touches {most} rows, of 2,000 resources and 20 of the patient: {explained:#}");
}

/// The most rows that one step touches: those it gives and those it throws away, times its loops.
fn touched(plan: &Value, most: &mut f64) {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let rows = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    *most = most.max(rows);
    for part in plan["Plans"].as_array().into_iter().flatten() {
        touched(part, most);
    }
}

async fn included(fixture: &Fixture, of: &str, query: &str, boundary: &Boundary) -> Vec<String> {
    let search = parse(&fixture.table, Some(of), query).expect("a query");
    let page = fixture.page(&search, boundary, 100, None).await;
    let planner = fixture.planner();
    let includes = Includes::of(&planner, &search, &page.found).expect("JSON");
    let Some(statement) = includes.statement(&planner, |_| Some(Access { boundary })) else {
        return Vec::new();
    };
    let found = fixture.store.page(&statement, 0).await.expect("included");
    let mut ids: Vec<String> = found.into_iter().map(|found| found.stored.id).collect();
    ids.sort();
    ids
}

async fn includes(fixture: Fixture) {
    fixture.put(&corpus()).await;
    let (all, own) = (Boundary::Unrestricted, Boundary::Patient("p1".to_owned()));
    for (of, query, boundary, expected) in [
        ("Observation", "_id=o1&_include=Observation:subject", &all, vec!["p1"]),
        ("Observation", "_id=o1&_include=Observation:performer:Patient", &all, vec![]),
        ("Observation", "_id=o1,o4&_include=Observation:performer", &all, vec!["p1", "pr1"]),
        ("Observation", "_id=o1&_include=Observation:*", &all, vec!["p1", "pr1"]),
        ("Patient", "_id=p2&_include=Patient:general-practitioner", &all, vec!["pr2"]),
        ("Patient", "_id=p2&_revinclude=Observation:subject", &all, vec!["o4", "o5"]),
        ("Patient", "_id=p1&_revinclude=Observation:performer&_revinclude=Encounter:patient", &all, vec!["e1", "o4"]),
        ("Observation", "_id=o1,o4&_revinclude=Provenance:target", &all, vec!["t1", "t2"]),
        ("Observation", "_id=o1,o4&_revinclude=Provenance:target", &own, vec!["t1"]),
        // p1 is performer of o4, which is p2's record.
        ("Patient", "_id=p1&_revinclude=Observation:performer", &own, vec![]),
        ("Patient", "_id=p4&_include=Patient:general-practitioner", &all, vec![]),
    ] {
        assert_eq!(included(&fixture, of, query, boundary).await, expected, "{of}?{query} for {boundary:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn includes_on_sqlite() {
    includes(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn includes_on_postgres() {
    if let Some(fixture) = Fixture::postgres("includes").await {
        includes(fixture).await;
    }
}

/// Two values may have one hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_by_a_hash_is_compared_with_the_value() {
    let fixture = Fixture::sqlite().await;
    fixture.put(&corpus()).await;
    let search = parse(&fixture.table, Some("Observation"), "status=final&code=2339-0").expect("a query");
    let plan = fixture.planner().page(&search, Access { boundary: &Boundary::Unrestricted }, 10, None);
    let found = fixture.store.page(&plan.statement, plan.sort_columns).await.expect("found");
    assert_eq!(plan.page(found.clone()).found.len(), 3);
    let mut other = found;
    let body = String::from_utf8(other[0].stored.body.to_vec()).expect("text").replace("2339-0", "0000-0");
    other[0].stored.body = body.into();
    assert_eq!(plan.page(other).found.len(), 2);
}

/// What operators are shown of a plan names tables and indexes, and no value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_explained_without_the_values_that_were_asked_for() {
    for fixture in [Some(Fixture::sqlite().await), Fixture::postgres("explained").await].into_iter().flatten() {
        let query = "name=secretname&birthdate=1961-07-30&general-practitioner.name=secretname&_sort=family";
        let search = parse(&fixture.table, Some("Patient"), query).expect("a query");
        let access = Access { boundary: &Boundary::Patient("secretname".to_owned()) };
        let plan = fixture.planner().page(&search, access, 20, None);
        let explained = fixture.store.explain(&plan.statement).await.expect("explained");
        let whole = format!("{explained:?}").to_lowercase();
        assert!(whole.contains("index_string") && explained.steps.len() > 3, "{explained:#?}");
        assert!(explained.steps.iter().any(|step| step.starts_with("  ")), "{:#?}", explained.steps);
        assert_eq!(explained.sql.matches(['?', '$']).count(), explained.values.len(), "{explained:#?}");
        // The instants of the day asked for begin so, in microseconds.
        for value in ["secretname", "-2656"] {
            assert!(!whole.contains(value), "{value}: {explained:#?}");
        }
    }
}
