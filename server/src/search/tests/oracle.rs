//! The prefixes against an oracle that knows no ranges: a value is the set of days it may mean.
//! <https://hl7.org/fhir/R4/search.html#prefix>

use vesta_runtime::date::DateTime;

use super::*;

const DAY: i64 = 86_400_000_000;

/// Days since 1970 that a date of some precision covers.
fn days(text: &str) -> (i64, i64) {
    let (low, high) = DateTime::parse(text).expect("a date").covers();
    (low.div_euclid(DAY), high.div_euclid(DAY))
}

/// By the standard's words, on days one by one.
fn naive(prefix: Prefix, search: (i64, i64), target: (i64, i64)) -> bool {
    let all = || target.0..=target.1;
    let inside = |day: i64| (search.0..=search.1).contains(&day);
    // "The range of the search value fully contains the range of the target value."
    let contains = all().all(inside);
    match prefix {
        Prefix::Eq => contains,
        Prefix::Ne => !contains,
        // "The range above (below) the search value intersects the range of the target value."
        Prefix::Gt => all().any(|day| day > search.1),
        Prefix::Lt => all().any(|day| day < search.0),
        Prefix::Ge => all().any(|day| day > search.1) || contains,
        Prefix::Le => all().any(|day| day < search.0) || contains,
        // "The range of the search value does not overlap with the range of the target value, and the range above
        // (below) the search value contains the range of the target value."
        Prefix::Sa => !all().any(inside) && all().all(|day| day > search.1),
        Prefix::Eb => !all().any(inside) && all().all(|day| day < search.0),
        Prefix::Ap => all().any(inside),
    }
}

#[test]
fn every_prefix_holds_for_every_precision() {
    let dates =
        ["2023", "2024", "2024-02", "2024-03", "2024-02-28", "2024-02-29", "2024-03-01", "2023-12-31", "2024-01-01"];
    let prefixes =
        [Prefix::Eq, Prefix::Ne, Prefix::Gt, Prefix::Lt, Prefix::Ge, Prefix::Le, Prefix::Sa, Prefix::Eb, Prefix::Ap];
    for search in dates {
        for start in dates {
            for end in dates.iter().filter(|end| days(end).1 >= days(start).0) {
                let (low, high) = (days(start).0, days(end).1);
                for prefix in prefixes {
                    let bounds = DateTime::parse(search).expect("a date").covers();
                    let test = DateTest { prefix, low: bounds.0, high: bounds.1 };
                    let accepted = test.accepts(low * DAY, high * DAY + DAY - 1);
                    assert_eq!(
                        accepted,
                        naive(prefix, days(search), (low, high)),
                        "{prefix:?}{search} on {start}..{end}"
                    );
                }
            }
        }
    }
}

/// "If the low/high is missing, it is taken as less/greater than any actual date."
/// <https://hl7.org/fhir/R4/search.html#date>
#[test]
fn an_open_period_reaches_beyond_every_date() {
    let (low, high) = DateTime::parse("2024").expect("a date").covers();
    let since = |prefix| DateTest { prefix, low, high };
    for (prefix, open_end, open_start) in [
        (Prefix::Ge, true, false),
        (Prefix::Gt, true, false),
        (Prefix::Le, true, true),
        (Prefix::Lt, true, true),
        (Prefix::Eq, false, false),
        (Prefix::Sa, false, false),
        (Prefix::Eb, false, true),
        (Prefix::Ap, true, false),
    ] {
        let began = DateTime::parse("2010").expect("a date").covers();
        assert_eq!(since(prefix).accepts(began.0, i64::MAX), open_end, "{prefix:?}, since 2010");
        assert_eq!(since(prefix).accepts(i64::MIN, began.1), open_start, "{prefix:?}, until 2010");
    }
}

/// <https://hl7.org/fhir/R4/search.html#number>
#[test]
fn a_number_is_searched_by_the_precision_it_is_written_in() {
    let table = table();
    let resource = |text: &str| {
        let json =
            format!(r#"{{"resourceType":"RiskAssessment","id":"r","prediction":[{{"probabilityDecimal":{text}}}]}}"#);
        vesta_runtime::json::parse(json.as_bytes()).expect("JSON")
    };
    for (query, stored, expected) in [
        ("100", "99.5", true),
        ("100", "100.49", true),
        ("100", "100.5", false),
        ("100", "99.4999", false),
        ("100.00", "99.995", true),
        ("100.00", "100.005", false),
        ("1e2", "95", true),
        ("1e2", "105", false),
        ("lt100", "99.9999999999999999999", true),
        ("lt100", "100", false),
        ("gt100", "100.0000000000000000001", true),
        ("le100", "100", true),
        ("le100", "100.1", false),
        ("ge100", "99.9", false),
    ] {
        let search = parse(&table, Some("RiskAssessment"), &format!("probability={query}")).expect("a query");
        assert_eq!(search.matches(&table, &resource(stored)), expected, "{query} on {stored}");
    }
}

/// Such a Period breaks per-1, and may yet be stored: both back ends must mean the same by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_that_ends_before_it_starts_is_found_alike() {
    let resource = serde_json::json!({"resourceType": "Encounter", "id": "e", "status": "finished",
        "class": {"code": "AMB"}, "period": {"start": "2024-02-01T10:30:00-05:00", "end": "2024-02-01T12:30:00Z"}});
    let fixture = Fixture::sqlite().await;
    fixture.put(std::slice::from_ref(&resource)).await;
    for (query, expected) in
        [("date=2024-02-01", 1), ("date=2024-02-01T15:30:00.000Z", 0), ("date=gt2024-02-01T14:00Z", 1)]
    {
        let search = parse(&fixture.table, Some("Encounter"), query).expect("a query");
        assert_eq!(fixture.find(&search, &Boundary::Unrestricted, 5).await.len(), expected, "{query} in SQL");
        assert_eq!(usize::from(search.matches(&fixture.table, &resource)), expected, "{query} in memory");
    }
}
