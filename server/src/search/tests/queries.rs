//! Whatever is asked, reading it neither panics nor hangs nor grows without bound, and what is read has a plan.

use proptest::prelude::*;
use sea_orm::sea_query::{PostgresQueryBuilder, SqliteQueryBuilder};

use super::*;
use crate::store::Names;

/// Parts of names and values: much of it fits together, so that many queries are read far.
fn name() -> impl Strategy<Value = String> {
    let code = prop::sample::select(vec![
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_text",
        "_content",
        "_filter",
        "_list",
        "_query",
        "_score",
        "_type",
        "_sort",
        "_count",
        "_total",
        "_summary",
        "_elements",
        "_include",
        "_revinclude",
        "_contained",
        "_containedType",
        "_cursor",
        "code",
        "category",
        "subject",
        "patient",
        "date",
        "value-quantity",
        "code-value-quantity",
        "name",
        "identifier",
        "status",
        "url",
        "based-on",
        "near",
        "has-member",
        "nonsense",
        "",
    ]);
    let modifier = prop::sample::select(vec![
        "",
        "",
        "",
        ":missing",
        ":exact",
        ":contains",
        ":not",
        ":text",
        ":code-text",
        ":in",
        ":not-in",
        ":above",
        ":below",
        ":of-type",
        ":identifier",
        ":Patient",
        ":Observation",
        ":iterate",
        ":",
        ":nonsense",
    ]);
    let step = prop::sample::select(vec![
        "_has:Observation:subject:",
        "_has:Provenance:target:",
        "_has:",
        "_has:Patient",
        "subject.",
        "subject:Patient.",
        "general-practitioner.",
        "has-member.",
        "patient.",
        ".",
        "link.",
    ]);
    (prop::collection::vec(step, 0..6), code, modifier)
        .prop_map(|(steps, code, modifier)| format!("{}{code}{modifier}", steps.concat()))
}

fn value() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "eq",
        "ne",
        "gt",
        "ap",
        "sa",
        "2024",
        "2024-02-30",
        "2024-01-01T10:00:00Z",
        "1",
        "-1.50",
        "1e400",
        "0.0000000001",
        "99999999999999999999999999999",
        "|",
        "||",
        ",",
        ",,",
        "$",
        "\\",
        "\\,",
        "\\|",
        "\\$",
        "\\\\",
        "a",
        "Ä",
        "\u{0}",
        "%",
        "_",
        "http://loinc.org",
        "http://unitsofmeasure.org|mg",
        "Patient/1",
        "Patient/1/_history/2",
        "#m",
        "urn:uuid:1",
        "Observation:subject",
        "Observation:*",
        "*",
        "true",
        "false",
        "both",
        "code eq a",
        " and ",
        " or ",
        "not (",
        ")",
        "name co \"x\"",
        "[",
        "]",
        "-date,",
        "code",
        "$current-problems",
        "ValueSet/1",
        " ",
        "+",
        "🦀",
    ]);
    prop_oneof![8 => prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat()), 1 => "\\PC{0,40}"]
}

fn asked(table: &ParameterTable, of: Option<&str>, pairs: &[(String, String)], handling: Handling) {
    let read = Search::parse(table, of, pairs, handling, now());
    if let Ok((search, issues)) = read {
        // Each key of an order may have one.
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(issues.len() <= pairs.len() + bytes, "{} issues of {bytes} bytes", issues.len());
        assert!(search.values() <= table.limits().values && search.ranges() <= 1_000);
        assert!(search.includes.len() <= 32 * 64 + 32 * 20, "{}", search.includes.len());
        let names = Names::new("main");
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            let planner = Planner { table, names: &names, backend };
            let boundary = Boundary::Patient("p".to_owned());
            let statement = planner.page(&search, Access { boundary: &boundary }, 20, None).statement;
            let text = match backend {
                DbBackend::Postgres => statement.to_string(PostgresQueryBuilder),
                _ => statement.to_string(SqliteQueryBuilder),
            };
            assert!(text.len() < 20_000_000, "{} bytes", text.len());
        }
    }
}

#[test]
fn no_query_panics_or_hangs() {
    let table = generated_table();
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let of = prop::sample::select(vec![Some("Patient"), Some("Observation"), Some("Location"), Some("Nothing"), None]);
    let queries = (of, prop::collection::vec((name(), value()), 0..40), any::<bool>());
    let result = runner.run(&queries, |(of, pairs, strict)| {
        asked(&table, of, &pairs, if strict { Handling::Strict } else { Handling::Lenient });
        // One by one as well: a pair that cannot be read hides no other.
        pairs.iter().take(8).for_each(|pair| asked(&table, of, std::slice::from_ref(pair), Handling::Lenient));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// As many as a URL or a form holds.
#[test]
fn many_pairs_and_long_values_are_read_in_bounded_time() {
    let table = generated_table();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for pairs in [
        vec![pair("code", "a"); 20_000],
        (0..20_000).map(|n| pair("code", &n.to_string())).collect(),
        (0..20_000).map(|n| pair(&format!("nonsense{n}"), "x")).collect(),
        vec![pair("code", &"a,".repeat(100_000))],
        vec![pair("code", &"\\".repeat(200_001))],
        vec![pair("_filter", &"code eq a or ".repeat(20_000))],
        vec![pair("_include", "*"); 1_000],
        vec![pair(&"subject.".repeat(50_000), "x")],
        vec![pair(&"_has:Observation:subject:".repeat(50_000), "x")],
        vec![pair("_elements", &"a,".repeat(100_000))],
        vec![pair("_sort", &"-date,".repeat(50_000))],
        vec![pair("date", &"9".repeat(100_000)), pair("value-quantity", &"9".repeat(100_000))],
    ] {
        asked(&table, Some("Observation"), &pairs, Handling::Lenient);
    }
}
