//! What a page costs follows the answer's size, not the database's: on both databases, for the shapes of query that
//! apps use; and no search by any parameter of R4 and the guides reads a table whole.

use sea_orm::sea_query::{PostgresQueryBuilder, SelectStatement, SqliteQueryBuilder};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::json;
use vesta_runtime::search::SearchParameterType as Kind;

use super::*;
use crate::access::{AccessContext, Asked, Permission, parse_scopes};

const LOINC: &str = "http://loinc.org";

/// Resource type (or `*` for all, or a compartment, or `$everything`) and query; each finds a page or more of five in the small database already, or all that there ever is.
const SHAPES: [(&str, &str); 68] = [
    ("Observation", ""),
    ("Observation", "_sort=-date"),
    ("Observation", "_sort=-_lastUpdated"),
    ("Observation", "_sort=_id"),
    ("Observation", "category=http://x|laboratory&_sort=-date"),
    ("Observation", "status=final&code=c1&_sort=-_lastUpdated"),
    ("Observation", "date=ge2001&_sort=-value-quantity"),
    ("Observation", "status=final&_lastUpdated=gt2020-01-01"),
    ("Observation", "_lastUpdated=ge2020-01-01&_lastUpdated=lt2100&_sort=_lastUpdated"),
    ("*", ""),
    ("Practitioner", ""),
    ("*", "_type=Patient,Observation"),
    ("*", "_tag=http://x|few"),
    ("*", "_tag=http://x|few&_sort=_id"),
    ("*", "_type=Patient,Practitioner&identifier=http://mrn|p3"),
    ("*", "_content=smithp3x"),
    ("Observation", "date=ge2001&date=lt2030"),
    ("*", "_type=Patient,Observation&_sort=-_lastUpdated"),
    ("Patient", "_sort=family"),
    ("Patient", "_sort=family,given"),
    ("Observation", "_sort=-date,_id"),
    ("Observation", "patient=p3&value-quantity:missing=false"),
    ("Patient", "birthdate=ge1901&_sort=-name"),
    ("Observation", "patient=p3&category=http://x|laboratory&_sort=-date"),
    ("Observation", "patient=p3&code=http://loinc.org|c1&date=ge2001"),
    ("Observation", "patient=p3&value-quantity=gt20|http://unitsofmeasure.org|mg/dL"),
    ("Observation", "patient=p3&code-value-quantity=http://loinc.org|c1$gt20"),
    ("Observation", "patient=p3&combo-code-value-quantity=http://loinc.org|c1$gt20,http://loinc.org|c2$gt20"),
    ("Observation", "subject=Patient/p3"),
    ("Observation", "code=http://loinc.org|c1"),
    ("Observation", "code=c1,c2,http://loinc.org|c3"),
    ("Observation", "code=http://loinc.org|c1&status=final"),
    ("Observation", "date=ge2001"),
    ("Observation", "value-quantity=gt20|http://unitsofmeasure.org|mg/dL"),
    ("Observation", "code-value-quantity=http://loinc.org|c1$gt20"),
    ("Observation", "code-value-quantity=c1$gt20|http://unitsofmeasure.org|mg/dL"),
    ("Observation", "combo-code-value-quantity=http://loinc.org|c1$gt20,http://loinc.org|c2$gt20"),
    ("Observation", "performer=Practitioner/d1"),
    ("Patient", "birthdate=ge1901"),
    ("Patient", "identifier=http://mrn|p3"),
    ("Patient", "name=smithp3x"),
    ("Patient", "name:exact=Smithp3x"),
    ("Patient", "name=smith&birthdate=1905-02-03"),
    ("Patient", "identifier=http://mrn|p3&family:contains=mith&given:missing=true"),
    ("Patient", "_id=p3&family=smith"),
    ("Observation", "patient=p3&value-string:missing=true"),
    ("Observation", "patient=p3&_include=Observation:subject&_include=Observation:performer"),
    ("Patient", "_id=p3&_revinclude=Observation:patient"),
    ("Patient", "_id=p3&_revinclude=*"),
    ("Observation", "patient.identifier=http://mrn|p3"),
    ("Observation", "subject:Patient.birthdate=1905-02-03"),
    ("Observation", "patient.name=smithp3x&code=http://loinc.org|c1"),
    ("Patient", "_has:Observation:patient:code=http://loinc.org|c1"),
    ("Patient", "identifier=http://mrn|p3&_has:Observation:patient:value-quantity=gt20"),
    ("Observation", "_content=p3"),
    ("Observation", "_content=p3 and (laboratory or nothing)&code=http://loinc.org|c2"),
    ("Observation", "patient=p3&_content=laboratory"),
    ("Observation", "subject:Patient._content=smithp3x"),
    ("Organization", "name=homep3x&_contained=true&_containedType=contained"),
    ("Observation", "_contained=both"),
    ("Patient", "organization.name=homep3x"),
    ("Patient", "_filter=identifier eq http://mrn|p3 and birthdate ge 1901"),
    ("Observation", "_filter=patient eq Patient/p3 and (status eq final and not (code eq c1))"),
    ("Observation", "_filter=code eq c1 or code eq c2"),
    ("Patient/p3/Observation", "code=http://loinc.org|c1"),
    ("Practitioner/d1/Observation", ""),
    ("Patient/p3/*", ""),
    ("Patient/p3/$everything", ""),
];

/// The same for a patient's token alone, or for one patient's record: over those of all patients they ask for all.
const OWN: [(&str, &str); 11] = [
    ("Observation", "_sort=value-quantity"),
    ("Observation", "_sort=-value-quantity,date"),
    ("Observation", "_sort=code"),
    ("Observation", "_sort=-code,date"),
    ("Observation", "_sort=performer"),
    ("Observation", "category=http://x|laboratory&_sort=status,-code"),
    ("Patient/p3/Observation", "_sort=code"),
    ("Organization", "_contained=true"),
    ("Organization", "active=true&_contained=true&_containedType=contained"),
    ("Organization", "_contained=both&_sort=_id"),
    ("Organization", "active:not=false&_contained=true"),
];

/// What of the Observations a token is granted, and query.
const GRANTED: [(&str, &str); 6] = [
    ("patient/Observation.rs?category=http://x|laboratory", ""),
    ("patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs", "code=c1&_sort=-date"),
    ("patient/Observation.rs?category=laboratory&status=final patient/Observation.rs?code=c1", "date=ge2001"),
    ("user/Observation.rs?category=http://x|laboratory", ""),
    ("user/Observation.rs?category=laboratory,vital-signs", "code=http://loinc.org|c1"),
    ("user/Observation.rs?code=http://loinc.org|c1 user/Observation.rs?code=http://loinc.org|c2", "status=final"),
];

fn records(patients: std::ops::Range<usize>) -> Vec<Value> {
    let mut records = Vec::new();
    for patient in patients {
        let id = format!("p{patient}");
        records
            .push(json!({"resourceType": "Patient", "id": id, "birthDate": format!("{}-02-03", 1902 + patient % 100),
            "identifier": [{"system": "http://mrn", "value": id}], "name": [{"family": format!("Smith{id}x")}], "managingOrganization": {"reference": "#o"},
            "contained": [{"resourceType": "Organization", "id": "o", "active": true, "name": format!("Home{id}x")}]}));
        for at in 0..24 {
            let category = if at % 2 == 0 { "laboratory" } else { "vital-signs" };
            records.push(json!({"resourceType": "Observation", "id": format!("{id}-{at}"), "status": "final",
                "subject": {"reference": format!("Patient/{id}")}, "performer": [{"reference": "Practitioner/d1"}],
                "effectiveDateTime": format!("20{:02}-{:02}-03", 2 + patient % 20, 1 + at % 12),
                "category": [{"coding": [{"system": "http://x", "code": category}]}],
                "code": {"coding": [{"system": LOINC, "code": format!("c{}", at % 4)}]},
                "valueQuantity": {"value": 30 + patient * 24 + at, "unit": "mg/dL", "code": "mg/dL",
                    "system": "http://unitsofmeasure.org"}}));
        }
    }
    records
}

/// The statements of a page, and of what is included with it.
async fn statements(fixture: &Fixture, of: &str, query: &str, boundary: &Boundary) -> Vec<SelectStatement> {
    let access = Access { boundary };
    let planner = fixture.planner();
    let search = match of.split('/').collect::<Vec<_>>()[..] {
        [_, patient, "$everything"] => {
            let entries = fixture.table.entries().filter(|entry| entry.boundary.rule == Rule::Compartment);
            let types: Vec<_> = entries.map(|entry| (entry.name, entry.boundary.mask)).collect();
            let record = Record { patient, types: &types, parts: &[], after: None, since: None, dates: None, most: 5 };
            return vec![planner.record(&record)];
        }
        [owner, id, member] => {
            let mut search = parse(&fixture.table, (member != "*").then_some(member), query).expect("a query");
            if member == "*" {
                let members = compartment_types(owner).expect("a compartment");
                search.types.retain(|name| members.contains(name));
            }
            search.criteria.extend(Criterion::compartment(&fixture.table, owner, id, &search.types));
            search
        }
        _ => {
            let search = parse(&fixture.table, Some(of).filter(|of| *of != "*"), query)
                .unwrap_or_else(|error| panic!("{of}?{query}: {error}"));
            let all = fixture.table.entries().map(|entry| entry.name).collect();
            // Of one type more than are counted would lead here too, where there are more.
            let lead = match search.types.len() {
                1 => None,
                _ => planner.lead(&search, access, &fixture.store).await.expect("counted"),
            };
            Search { lead, containers: Some((all, boundary.clone())), ..search }
        }
    };
    // What is put in order here is read by bites, of which the first has all that a patient has here.
    let unordered = planner.without_order(&search, access);
    let most = if unordered.is_some() { 250 } else { 5 };
    let search = unordered.unwrap_or(search);
    let plan = match planner.in_order(&search, access) {
        Some(in_order) => in_order.until(None, most, None),
        None => planner.page(&search, access, most, None),
    };
    let found = fixture.store.page(&plan.statement, plan.sort_columns).await.expect("a page");
    assert!(!found.is_empty(), "{of}?{query} finds nothing");
    let mut statements = vec![plan.statement.clone()];
    if !search.includes.is_empty() {
        let page = plan.page(found);
        let includes = Includes::of(&planner, &search, &page.found).expect("JSON");
        statements.extend(includes.statement(&planner, |_| Some(access)));
    }
    statements
}

/// What running a statement takes: SQLite's instructions, or the rows that PostgreSQL's steps touch.
enum Meter {
    Sqlite(rusqlite::Connection),
    Postgres(DatabaseConnection),
}

impl Meter {
    async fn of(fixture: &Fixture) -> Meter {
        if let Some(folder) = &fixture.folder {
            let file = folder.path().join("site").join("vesta.db");
            let connection = rusqlite::Connection::open(file).expect("the database opens");
            // As the server has it: a plan holds for all values.
            let stable = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
            connection.set_db_config(stable, true).expect("set");
            return Meter::Sqlite(connection);
        }
        let url = std::env::var("VESTA_TEST_POSTGRES").expect("it was there");
        let options = sea_orm::ConnectOptions::new(url).max_connections(1).sqlx_logging(false).to_owned();
        let connection = sea_orm::Database::connect(options).await.expect("PostgreSQL answers");
        connection.execute_unprepared("SET plan_cache_mode = force_generic_plan").await.expect("set");
        // A table of a page or two is rightly read whole; these stand for large ones.
        connection.execute_unprepared("SET enable_seqscan = off").await.expect("set");
        Meter::Postgres(connection)
    }

    async fn cost(&self, statement: &SelectStatement) -> f64 {
        match self {
            Meter::Sqlite(connection) => {
                let (sql, values) = statement.build(SqliteQueryBuilder);
                let mut prepared = connection.prepare(&sql).expect("a statement");
                for (at, value) in values.iter().enumerate() {
                    prepared.raw_bind_parameter(at + 1, bound(value)).expect("bound");
                }
                let mut rows = prepared.raw_query();
                while rows.next().expect("a row").is_some() {}
                drop(rows);
                f64::from(prepared.get_status(rusqlite::StatementStatus::VmStep))
            }
            Meter::Postgres(connection) => {
                let explained = explain(connection, statement, "EXPLAIN (ANALYZE, FORMAT JSON)").await;
                let plan: Value = explained.first().expect("a plan").try_get_by_index(0).expect("JSON");
                touched(&plan[0]["Plan"])
            }
        }
    }
}

fn bound(value: &sea_orm::Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Bound;
    match value {
        sea_orm::Value::Bool(Some(value)) => Bound::Integer((*value).into()),
        sea_orm::Value::SmallInt(Some(value)) => Bound::Integer((*value).into()),
        sea_orm::Value::Int(Some(value)) => Bound::Integer((*value).into()),
        sea_orm::Value::BigInt(Some(value)) => Bound::Integer(*value),
        sea_orm::Value::BigUnsigned(Some(value)) => Bound::Integer(i64::try_from(*value).expect("a limit")),
        sea_orm::Value::String(Some(value)) => Bound::Text(value.clone()),
        sea_orm::Value::Bytes(Some(value)) => Bound::Blob(value.clone()),
        other => panic!("no plan has a value of this kind: {other:?}"),
    }
}

/// The plan of the statement as it is prepared, with the types that the driver declares.
async fn explain(connection: &DatabaseConnection, statement: &SelectStatement, how: &str) -> Vec<sea_orm::QueryResult> {
    let (sql, values) = statement.build(PostgresQueryBuilder);
    let types: Vec<&str> = values
        .iter()
        .map(|value| match value {
            sea_orm::Value::SmallInt(_) => "smallint",
            sea_orm::Value::Int(_) => "int",
            sea_orm::Value::String(_) => "text",
            sea_orm::Value::Bytes(_) => "bytea",
            sea_orm::Value::Bool(_) => "bool",
            _ => "bigint",
        })
        .collect();
    let literal = |value: &sea_orm::Value| {
        let literal = sea_orm::sea_query::Query::select().expr(sea_orm::sea_query::Expr::val(value.clone())).take();
        literal.to_string(PostgresQueryBuilder).trim_start_matches("SELECT ").to_owned()
    };
    let literals: Vec<String> = values.iter().map(literal).collect();
    let (types, literals) = (types.join(", "), literals.join(", "));
    connection.execute_unprepared(&format!("PREPARE page({types}) AS {sql}")).await.expect("prepared");
    let execute = sea_orm::Statement::from_string(DbBackend::Postgres, format!("{how} EXECUTE page({literals})"));
    let rows = connection.query_all_raw(execute).await.expect("explained");
    connection.execute_unprepared("DEALLOCATE page").await.expect("deallocated");
    rows
}

/// The rows that all steps of a plan give or throw away, times their loops.
fn touched(plan: &Value) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let thrown_away = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let own = (number("Actual Rows") + thrown_away) * number("Actual Loops");
    own + plan["Plans"].as_array().into_iter().flatten().map(touched).sum::<f64>()
}

async fn costs(fixture: &Fixture) -> Vec<f64> {
    let meter = Meter::of(fixture).await;
    if let Meter::Postgres(connection) = &meter {
        connection.execute_unprepared("ANALYZE").await.expect("statistics");
    }
    let own = Boundary::Patient("p3".to_owned());
    let mut costs = Vec::new();
    let cost = async |of: &str, query: &str, boundary: &Boundary| {
        let mut cost = 0.0;
        for statement in statements(fixture, of, query, boundary).await {
            cost += meter.cost(&statement).await;
        }
        cost
    };
    for boundary in [&Boundary::Unrestricted, &own] {
        for (of, query) in SHAPES {
            costs.push(cost(of, query, boundary).await);
        }
    }
    for (of, query) in OWN {
        costs.push(cost(of, query, &own).await);
    }
    for (scopes, query) in GRANTED {
        let context = AccessContext {
            patient: Some("p3".to_owned()),
            scopes: parse_scopes(scopes).expect("scopes"),
            ..AccessContext::default()
        };
        let asked = Asked { parameters: &fixture.table, now: now() };
        let boundary = context.grant(asked, "Observation", Permission::Search).expect("granted");
        costs.push(cost("Observation", query, &boundary).await);
    }
    costs
}

async fn cost_follows_the_answer(fixture: Fixture) {
    fixture
        .put(&[json!({"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Doctor"}],
        "meta": {"tag": [{"system": "http://x", "code": "few"}]}})])
        .await;
    fixture.put(&records(0..15)).await;
    let small = costs(&fixture).await;
    fixture.put(&records(15..60)).await;
    let large = costs(&fixture).await;
    let shapes = SHAPES.iter().map(|shape| (shape, "all")).chain(SHAPES.iter().map(|shape| (shape, "a patient's")));
    let shapes = shapes.chain(OWN.iter().map(|shape| (shape, "a patient's")));
    let shapes = shapes.chain(GRANTED.iter().map(|shape| (shape, "granted")));
    let grown: Vec<String> = shapes
        .zip(small.iter().zip(&large))
        .filter(|(_, (small, large))| **large > *small * 1.5 + 50.0)
        .map(|(((of, query), whose), (small, large))| {
            format!("{of}?{query} of {whose}: {small} steps, and {large} with four times the records")
        })
        .collect();
    assert!(grown.is_empty(), "{grown:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cost_follows_the_answer_on_sqlite() {
    cost_follows_the_answer(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cost_follows_the_answer_on_postgres() {
    if let Some(fixture) = Fixture::generated_on_postgres("shapes").await {
        cost_follows_the_answer(fixture).await;
    }
}

/// PostgreSQL goes through all that a `not in` gives for each resource, where that does not fit into memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_an_anti_join_on_postgres() {
    let Some(fixture) = Fixture::generated_on_postgres("anti_joins").await else { return };
    fixture.put(&records(0..15)).await;
    let Meter::Postgres(connection) = Meter::of(&fixture).await else { unreachable!("it is one") };
    connection.execute_unprepared("ANALYZE").await.expect("statistics");
    for query in ["code:missing=true", "performer:missing=true&_sort=-date", "patient=p3&performer:missing=true"] {
        let search = parse(&fixture.table, Some("Observation"), query).expect("a query");
        let access = Access { boundary: &Boundary::Unrestricted };
        let plan = fixture.planner().page(&search, access, 20, None);
        let steps = explain(&connection, &plan.statement, "EXPLAIN").await;
        let steps = steps.iter().map(|row| row.try_get_by_index::<String>(0).expect("text"));
        let steps = steps.collect::<Vec<_>>().join("\n");
        assert!(steps.contains("Anti Join") && !steps.contains("NOT (SubPlan"), "{query}: {steps}");
        assert!(!steps.contains("NOT (hashed SubPlan"), "{query}: {steps}");
    }
}

/// A value that a parameter of this kind takes.
fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "gt5",
        Kind::Date => "ge2020",
        Kind::String => "abc",
        Kind::Token => "http://x|a",
        Kind::Reference => "Patient/p3",
        Kind::Quantity => "gt5|http://unitsofmeasure.org|mg",
        Kind::Uri => "http://x/y",
        Kind::Special => "word",
        Kind::Composite => "",
    }
}

/// Every search by one parameter, and by a patient and one parameter where the type has `patient`.
fn by_each_parameter(table: &ParameterTable) -> Vec<(&'static str, String)> {
    let mut queries = Vec::new();
    for entry in table.entries() {
        let with_patient = table.compartment_bit(entry.name, "patient").is_some();
        let is_indexed = |known: &&Parameter| known.is_in_tables() || known.definition.code.ends_with("_content");
        for parameter in table.parameters(entry.name).filter(is_indexed) {
            let definition = parameter.definition;
            let value = match definition.kind {
                Kind::Composite => {
                    definition.components.iter().map(|part| value(part.kind)).collect::<Vec<_>>().join("$")
                }
                Kind::Special if is_near(definition) => "1|1".to_owned(),
                kind => value(kind).to_owned(),
            };
            queries.push((entry.name, format!("{}={value}", definition.code)));
            if with_patient {
                queries.push((entry.name, format!("patient=p3&{}={value}", definition.code)));
            }
        }
    }
    queries
}

/// Such a search finds its rows by an index, whatever the values: the statements are as prepared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_search_by_any_parameter_reads_a_table_whole() {
    let fixtures = [Some(Fixture::generated().await), Fixture::generated_on_postgres("each_parameter").await];
    for fixture in fixtures.into_iter().flatten() {
        let meter = Meter::of(&fixture).await;
        let mut checked = 0;
        for (of, query) in by_each_parameter(&fixture.table) {
            // What cannot be searched for is refused, and tested elsewhere.
            let Ok(search) = parse(&fixture.table, Some(of), &query) else { continue };
            let access = Access { boundary: &Boundary::Unrestricted };
            let plan = fixture.planner().page(&search, access, 20, None);
            let steps: Vec<String> = match &meter {
                Meter::Sqlite(connection) => {
                    let sql = format!("EXPLAIN QUERY PLAN {}", plan.statement.build(SqliteQueryBuilder).0);
                    let mut statement = connection.prepare(&sql).expect("a statement");
                    let mut rows = statement.raw_query();
                    let mut steps = Vec::new();
                    while let Some(row) = rows.next().expect("a row") {
                        steps.push(row.get::<_, String>(3).expect("a step"));
                    }
                    steps
                }
                Meter::Postgres(connection) => {
                    let lines = explain(connection, &plan.statement, "EXPLAIN").await;
                    lines.iter().map(|line| line.try_get_by_index(0).expect("a line")).collect()
                }
            };
            // SQLite scans what a subquery found too; tables have these names in a plan.
            let tables = ["walk", "lead", "row", "own", "who", "body", "held", "link", "target"];
            // What FTS5 is asked for by words is told so.
            let by_words = |step: &String| step.contains("VIRTUAL TABLE INDEX") && step.contains(":M");
            let is_whole = |step: &String| {
                let of = |table: &str| *step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "));
                step.contains("Seq Scan") || (tables.iter().any(|table| of(table)) && !by_words(step))
            };
            assert!(!steps.iter().any(is_whole), "{of}?{query}: {steps:#?}");
            checked += 1;
        }
        assert!(checked > 2_000, "{checked} searches were looked at");
    }
}
