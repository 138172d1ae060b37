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
        ("_has:Observation:nonsense:code=1", IssueKind::Unknown, "Observation has no search parameter \"nonsense\""),
        ("_has:Observation:patient:nonsense=1", IssueKind::Unknown, "Observation has no search parameter"),
        ("_list=$current-plans", IssueKind::NotSupported, "$current-problems, $current-medications"),
        ("general-practitioner.nonsense=1", IssueKind::Unknown, "nothing that general-practitioner may point to"),
        ("general-practitioner:Practitioner.nonsense=1", IssueKind::Unknown, "Practitioner has no search parameter"),
        ("_sort=_text", IssueKind::NotSupported, "sorting by _text"),
        ("_sort=nonsense", IssueKind::Unknown, "nonsense"),
        (
            "_sort=general-practitioner._content",
            IssueKind::NotSupported,
            "of type date, string, uri, token or reference",
        ),
        ("_sort=general-practitioner.nonsense", IssueKind::Unknown, "nothing that general-practitioner may point to"),
        ("_sort=gender.name", IssueKind::NotSupported, "no key can be chained to it"),
        ("_sort=nonsense.name", IssueKind::Unknown, "nonsense"),
        ("_include=Patient:nonsense", IssueKind::Unknown, "general-practitioner"),
        ("_sort=_content,nonsense", IssueKind::NotSupported, "sorting by _content"),
        ("name=", IssueKind::Value, "has no value"),
        ("general-practitioner.identifier=", IssueKind::Value, "has no value"),
    ] {
        let error = parse(&table(), Some("Patient"), query).expect_err(query);
        assert_eq!(error.issues[0].kind, kind, "{query}");
        assert!(error.issues[0].message.contains(part), "{query}: {}", error.issues[0].message);
        let (search, issues) = lenient("Patient", &format!("{query}&gender=male")).expect(query);
        assert_eq!((issues.len(), search.criteria.len()), (error.issues.len(), 1), "{query}");
        assert_eq!(search.used, pairs("gender=male"), "{query}");
    }
}

#[test]
fn a_modifier_or_a_value_that_cannot_be_read_is_an_error_always() {
    for (of, query, part) in [
        ("Patient", "gender:exact=male", ":not, :of-type, :text, :code-text, :in, :not-in, :above, :below, :missing"),
        ("Observation", "code:text= ", "text was expected"),
        ("Patient", "name:not=x", ":exact, :contains, :missing"),
        ("Patient", "birthdate:contains=1", "it takes :missing"),
        ("Patient", "birthdate=yesterday", "birthdate: a date was expected"),
        ("Patient", "birthdate=2024-13", "birthdate: a date was expected"),
        ("Patient", "birthdate=xx2024", "prefixes"),
        ("Patient", "birthdate=2024,", "a value was expected"),
        ("Patient", "birthdate:missing=maybe", "true or false"),
        ("Patient", r"family=a\b", "stands before"),
        ("Patient", r"general-practitioner:Practitioner.name=a\", "stands before"),
        ("Patient", "_query=nonsense", "no named queries"),
        ("Patient", "identifier=a|b|c", "[system]|[code]"),
        ("Patient", "identifier=|", "[system]|[code]"),
        ("Patient", "identifier:of-type=a|b", "[type system]"),
        ("Patient", "_id:exact=x", "_id"),
        ("Patient", "_count=-1", "_count"),
        ("Patient", "_count=many", "_count"),
        ("Patient", "_total=all", "accurate"),
        ("Patient", "_summary=some", "count"),
        ("Patient", "_include:recurse=Patient:general-practitioner", "it takes :iterate"),
        ("Patient", "_filter=name", "cannot be read from character"),
        ("Patient", "_filter=gender co x", "gender cannot be compared by co; it can by eq"),
        ("Patient", "_filter=name gt x", "name cannot be compared by gt"),
        ("Patient", "_filter=birthdate ge yesterday", "a date was expected"),
        ("Patient", "_filter=name[gender eq male] eq x", "a path goes on"),
        ("Patient", "_include=Observation:subject", "not what is searched"),
        ("Patient", "_include=general-practitioner", "[type]:[parameter]"),
        ("Patient", "gender.name=x", "no reference"),
        ("Patient", "general-practitioner.identifier.x=1", "no reference"),
        ("Patient", "_has=1", "_has:[type]"),
        ("Patient", "_has:Observation:patient=1", "_has:[type]"),
        ("Patient", "_has:Nothing:patient:code=1", "no resource type"),
        ("Patient", "_has:Observation:code:code=1", "refers to nothing"),
        ("Encounter", "_has:Observation:performer:code=1", "refers to nothing"),
        ("Patient", "_count:max=3", "neither a modifier nor a chain"),
        ("Patient", "_sort:desc=name", "neither a modifier nor a chain"),
        ("Patient", "_elements:exclude=name", "neither a modifier nor a chain"),
        ("Patient", "_summary.text=true", "neither a modifier nor a chain"),
        ("Patient", "_elements=", "names of elements"),
        ("Patient", "_elements=name,,gender", "names of elements"),
        ("Patient", "general-practitioner:not.name=x", "a resource type"),
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

/// <https://hl7.org/fhir/R4/search.html#sort> sets no limit; this server's is told, and so is each key that is not used.
#[test]
fn keys_of_the_order_that_are_not_used_are_told_and_not_in_the_self_link() {
    let eight = "_sort=family,-family,name,-name,address,-address,birthdate,-birthdate";
    let search = parse(&table(), Some("Patient"), eight).expect("as many as are supported");
    assert_eq!((search.sort.len(), search.used), (8, pairs(eight)));
    for more in [format!("{eight},_id"), format!("{eight}&_sort=_id")] {
        let error = parse(&table(), Some("Patient"), &more).expect_err(&more);
        assert_eq!((error.issues.len(), error.issues[0].kind), (1, IssueKind::NotSupported), "{more}");
        assert!(error.to_string().contains("at most 8 keys: it is not sorted by _id"), "{error}");
        let (search, issues) = lenient("Patient", &more).expect(&more);
        assert_eq!((issues.len(), search.sort.len(), search.used), (1, 8, pairs(eight)), "{more}");
    }
    // Pages of a search have one order: the link names the keys that it is by.
    let (search, issues) = lenient("Patient", "_sort=_text,-family,nonsense,birthdate&_sort=_id").expect("in part");
    assert_eq!((issues.len(), search.sort.len()), (2, 3));
    assert_eq!(search.used, pairs("_sort=-family,birthdate&_sort=_id"));
}

#[test]
fn of_a_repeated_parameter_that_can_have_one_value_the_first_counts_and_the_others_are_told() {
    for (name, first, second) in
        [("_count", "2", "3"), ("_total", "none", "accurate"), ("_summary", "true", "text"), ("_cursor", "a", "b")]
    {
        let query = format!("{name}={first}&gender=male&{name}={second}");
        let error = parse(&table(), Some("Patient"), &query).expect_err(&query);
        assert_eq!(error.issues.len(), 1, "{query}");
        assert!(error.to_string().contains("more than once"), "{query}: {error}");
        let (search, issues) = lenient("Patient", &query).expect(&query);
        assert_eq!(issues.len(), 1, "{query}");
        let once = parse(&table(), Some("Patient"), &format!("{name}={first}&gender=male")).expect("once");
        assert_eq!(search, once, "{query}");
    }
    let search = parse(&table(), Some("Patient"), "_elements=name&_elements=gender,photo").expect("a list in parts");
    assert_eq!(search.elements, ["name", "gender", "photo"]);
}

#[test]
fn a_chain_has_as_many_steps_as_are_configured() {
    let deep = format!("{}identifier=1", "subject:Patient._has:Observation:subject:".repeat(3));
    let error = parse(&table(), Some("Observation"), &deep).expect_err("six steps");
    assert_eq!(error.issues[0].kind, IssueKind::TooCostly);
    assert!(error.to_string().contains("more than 4 steps"), "{error}");
    let limits = |chain_steps| SearchLimits { chain_steps, ..SearchLimits::default() };
    let of_eight = table().with_limits(limits(100));
    let asked = format!("{}code=1", "subject:Patient._has:Observation:subject:".repeat(4));
    assert!(parse(&of_eight, Some("Observation"), &asked).is_ok());
    let none = table().with_limits(limits(0));
    assert!(parse(&none, Some("Observation"), "subject:Patient.gender=male").is_err());
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
    let error = parse(&table, Some("Patient"), "_revinclude=Observation:subject").expect_err("not yet");
    assert_eq!(error.issues[0].kind, IssueKind::NotIndexed);
    assert!(parse(&table, Some("Observation"), "_include=Observation:subject").is_ok());
    // Under lenient handling it is passed over; but not what would keep the search to one patient.
    let lenient = |name: &str, value: &str| {
        Search::parse(&table, Some("Observation"), &[(name.to_owned(), value.to_owned())], Handling::Lenient, now())
    };
    assert_eq!(lenient("code", "1").expect("passed over").1[0].kind, IssueKind::NotIndexed);
    for name in ["patient", "subject", "performer"] {
        assert_eq!(lenient(name, "Patient/1").expect_err("refused").issues[0].kind, IssueKind::NotIndexed, "{name}");
    }
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
