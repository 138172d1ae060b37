//! What cannot be answered is refused, or named: never passed over in silence.

use proptest::prelude::*;

use super::*;

fn lenient(of: &str, query: &str) -> Result<(Search, Vec<Issue>), SearchError> {
    Search::parse(&table(), Some(of), &pairs(query), Handling::Lenient, now())
}

#[test]
fn unknown_and_unsupported_parameters_are_errors_when_strict_and_named_when_lenient() {
    for (query, kind, part) in [
        ("nonsense=1", IssueKind::Unknown, "has no search parameter \"nonsense\"; it has"),
        ("_has:Observation:patient:code=1", IssueKind::NotSupported, "_has"),
        ("_filter=x", IssueKind::NotSupported, "_filter"),
        ("general-practitioner.identifier.x=1", IssueKind::NotSupported, "one step"),
        ("_sort=gender", IssueKind::NotSupported, "sorting by gender"),
        ("_sort=nonsense", IssueKind::Unknown, "nonsense"),
        ("_include=Patient:nonsense", IssueKind::Unknown, "general-practitioner"),
    ] {
        let error = parse(&table(), Some("Patient"), query).expect_err(query);
        assert_eq!(error.issues[0].kind, kind, "{query}");
        assert!(error.issues[0].message.contains(part), "{query}: {}", error.issues[0].message);
        let (search, issues) = lenient("Patient", &format!("{query}&gender=male")).expect(query);
        assert_eq!((issues.len(), search.criteria.len()), (1, 1), "{query}");
        assert_eq!(search.used, pairs("gender=male"), "{query}");
    }
}

#[test]
fn a_modifier_or_a_value_that_cannot_be_read_is_an_error_always() {
    for (of, query, part) in [
        ("Patient", "gender:exact=male", ":not, :of-type, :missing"),
        ("Patient", "name:not=x", ":exact, :contains, :missing"),
        ("Patient", "birthdate:contains=1", "it takes :missing"),
        ("Patient", "birthdate=yesterday", "birthdate: a date was expected"),
        ("Patient", "birthdate=2024-13", "birthdate: a date was expected"),
        ("Patient", "birthdate=xx2024", "prefixes"),
        ("Patient", "birthdate=2024,", "a value was expected"),
        ("Patient", "birthdate:missing=maybe", "true or false"),
        ("Patient", "name=", "has no value"),
        ("Patient", "identifier=a|b|c", "[system]|[code]"),
        ("Patient", "identifier=|", "[system]|[code]"),
        ("Patient", "identifier:of-type=a|b", "[type system]"),
        ("Patient", "_id:exact=x", "_id"),
        ("Patient", "_count=-1", "_count"),
        ("Patient", "_count=many", "_count"),
        ("Patient", "_total=all", "accurate"),
        ("Patient", "_summary=some", "count"),
        ("Patient", "_include:iterate=Patient:general-practitioner", "one step"),
        ("Patient", "_include=Observation:subject", "not what is searched"),
        ("Patient", "_include=general-practitioner", "[type]:[parameter]"),
        ("Patient", "gender.name=x", "no reference"),
        ("Observation", "value-quantity=5.4|mg", "[number]||[code]"),
        ("Observation", "value-quantity=much", "a number"),
        ("Observation", "value-quantity=5.4|http://unitsofmeasure.org|", "[number]"),
        ("Observation", "code-value-quantity=1", "2 parts"),
        ("Observation", "code-value-quantity=1$2$3", "2 parts"),
        ("Observation", "subject:Patient=Group/1", "the modifier says Patient"),
        ("RiskAssessment", "probability=0x1", "a number"),
        ("RiskAssessment", "probability=99999999999999999999999999999999", "28 digits"),
    ] {
        let error = lenient(of, query).expect_err(query);
        assert!(error.to_string().contains(part), "{query}: {error}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = parse(&table(), Some("Patient"), "birthdate=x&gender:exact=1&nonsense=2").expect_err("three");
    assert_eq!(error.issues.len(), 3);
}

#[test]
fn a_parameter_that_is_still_being_indexed_is_refused() {
    let types = parameters::types();
    let entries = definitions(&types, BASE)
        .into_iter()
        .zip(1..)
        .map(|(definition, id)| crate::store::ParameterEntry::new(id, definition, false))
        .collect();
    let dictionary = Arc::new(crate::store::Dictionary::new(entries, [7; 16]));
    let table = ParameterTable::new(&SCHEMA, types, dictionary, BASE);
    let error = parse(&table, Some("Patient"), "gender=male").expect_err("not yet");
    assert_eq!(error.issues[0].kind, IssueKind::NotIndexed);
    assert!(parse(&table, Some("Patient"), "_id=1&_lastUpdated=gt2020").is_ok());
}

proptest! {
    #[test]
    fn no_query_makes_the_parser_panic(
        name in "(name|birthdate|gender|identifier|general-practitioner|_[a-z]{2,8}|code-value-quantity|value-quantity)?[:.]?[a-zA-Z.:-]{0,12}",
        value in "(ge|ap|)[0-9T:.eE+|$,\\\\Z-]{0,24}|\\PC{0,24}",
    ) {
        let table = table();
        for of in [Some("Patient"), Some("Observation"), None] {
            for handling in [Handling::Strict, Handling::Lenient] {
                let pairs = [(name.clone(), value.clone())];
                if let Ok((search, _)) = Search::parse(&table, of, &pairs, handling, now()) {
                    search.matches(&table, &corpus()[2]);
                }
            }
        }
    }
}
