//! What scopes grant, as tables.

use std::fmt::Write as _;

use super::super::AUDIT_EVENT;
use super::*;
use crate::access::parse_scopes;
use crate::search::tests::{BASE, generated_table, now};

fn context(scopes: &str, patient: Option<&str>) -> AccessContext {
    AccessContext {
        patient: patient.map(str::to_owned),
        scopes: parse_scopes(scopes).unwrap(),
        ..AccessContext::default()
    }
}

fn table() -> Arc<ParameterTable> {
    Arc::new(generated_table())
}

fn asked(parameters: &Arc<ParameterTable>) -> Asked<'_> {
    Asked { parameters, now: now() }
}

fn criterion(one: &Criterion) -> String {
    let several = |parts: &[Criterion], mark: &str| parts.iter().map(criterion).collect::<Vec<_>>().join(mark);
    let not = if one.negated { "not " } else { "" };
    let tests = match &one.test {
        Test::Any(tests) => format!("{}({})", one.code, tests.len()),
        Test::Missing(missing) => format!("{} missing={missing}", one.code),
        Test::Id(ids) => format!("_id {}", ids.join(",")),
        Test::All(parts) => format!("({})", several(parts, " and ")),
        Test::OneOf(parts) => format!("({})", several(parts, " or ")),
        other => format!("{other:?}"),
    };
    format!("{not}{tests}")
}

fn shown(boundary: &Boundary) -> String {
    match boundary {
        Boundary::Unrestricted => "all".to_owned(),
        Boundary::Patient(patient) => format!("of {patient}"),
        Boundary::Parts(parts) => {
            let one = |part: &Part| {
                let whose = part.patient.as_ref().map_or("all".to_owned(), |patient| format!("of {patient}"));
                let criteria: String = part.criteria.iter().map(|one| format!(" and {}", criterion(one))).collect();
                let narrowed = part.narrowed.iter().map(|(of, reached)| format!(" by {of} {}", shown(reached)));
                format!("[{} {whose}{criteria}{}]", part.types.join(","), narrowed.collect::<String>())
            };
            parts.iter().map(one).collect::<Vec<_>>().join(" or ")
        }
    }
}

#[test]
fn a_type_outside_the_scopes_is_refused_and_the_needed_scope_is_named() {
    let table = table();
    let context = context("patient/Observation.rs patient/Patient.r", Some("1"));
    let grant = |resource_type, permission| context.grant(asked(&table), resource_type, permission);
    assert_eq!(grant("Observation", Permission::Search), Ok(Boundary::Patient("1".to_owned())));
    let needed = |resource_type, permission| match grant(resource_type, permission) {
        Err(AccessError::InsufficientScope { needed }) => needed,
        other => panic!("{other:?}"),
    };
    assert_eq!(needed("Condition", Permission::Search), "patient/Condition.s");
    assert_eq!(needed("Patient", Permission::Search), "patient/Patient.s");
    assert_eq!(needed("Observation", Permission::Update), "patient/Observation.u");
}

#[test]
fn scopes_add_up() {
    let table = table();
    let context = context("patient/*.rs user/Observation.r", Some("1"));
    let grant = |permission| context.grant(asked(&table), "Observation", permission);
    assert_eq!(grant(Permission::Read), Ok(Boundary::Unrestricted));
    assert_eq!(grant(Permission::Search), Ok(Boundary::Patient("1".to_owned())));
    assert_eq!(context.reach(asked(&table), "Observation"), Ok(Boundary::Unrestricted));
}

#[test]
fn a_patient_scope_without_a_patient_grants_nothing() {
    let table = table();
    for scopes in ["patient/*.rs", "patient/Patient.r?gender=male"] {
        let refused = context(scopes, None).grant(asked(&table), "Patient", Permission::Read);
        assert_eq!(refused, Err(AccessError::NoPatient), "{scopes}");
    }
}

#[test]
fn a_token_without_resource_scopes_is_told_what_to_ask_for() {
    let refused = context("openid fhirUser", None).grant(asked(&table()), "Patient", Permission::Read);
    assert_eq!(refused, Err(AccessError::InsufficientScope { needed: "user/Patient.r".to_owned() }));
}

/// "A granular scope grants every resource that matches it … several on a type are a union":
/// <https://hl7.org/fhir/us/core/STU8/scopes.html>
#[test]
fn constraints_grant_what_meets_them() {
    let table = table();
    let mut text = String::new();
    for (scopes, of) in [
        ("patient/Observation.rs?category=a|b", "Observation"),
        ("patient/Observation.rs?category=a|b patient/Observation.r?category=c,d", "Observation"),
        ("patient/Observation.rs?category=a|b&status=final patient/Observation.rs?code=c", "Observation"),
        ("patient/Observation.rs?category=a|b patient/Observation.rs", "Observation"),
        ("patient/Observation.rs?category=a|b patient/*.read", "Observation"),
        ("patient/Observation.s?category=a|b patient/Observation.r", "Observation"),
        ("patient/Observation.rs?category=a|b user/Observation.rs?code=c", "Observation"),
        ("patient/Observation.rs user/Observation.rs?code=c", "Observation"),
        ("user/Observation.rs?category=a&category=b", "Observation"),
        ("user/Observation.rs?category:not=a&code:missing=true", "Observation"),
        ("user/Observation.rs?_id=1&_tag=x&date=ge2024", "Observation"),
        ("user/Observation.rs?_filter=status eq final and not (code eq x)".replace(' ', "%20").leak(), "Observation"),
        ("patient/*.rs?category=a|b", "Observation"),
        // No such parameter: nothing of this type.
        ("patient/*.rs?category=a|b", "Patient"),
        ("patient/*.rs?category=a|b user/Patient.rs?gender=male", "Patient"),
        // What cannot be decided grants nothing, whatever stands beside it.
        ("user/Observation.rs?categry=x user/Observation.r?code=c", "Observation"),
        ("user/Observation.rs?categry=x", "Observation"),
        ("user/Observation.rs?category:text=x", "Observation"),
        ("user/Observation.rs?category:in=http://example.org/set", "Observation"),
        ("user/Observation.rs?date=yesterday", "Observation"),
        ("user/Observation.rs?_count=1", "Observation"),
        ("user/Observation.rs?category=x&_sort=date", "Observation"),
        ("user/Observation.rs?_include=Observation:subject", "Observation"),
        ("user/Observation.rs?_format=json", "Observation"),
        ("user/Observation.rs?subject:Patient.name=x", "Observation"),
        ("user/Patient.rs?_has:Observation:patient:code=x", "Patient"),
        ("user/Patient.rs?_list=1", "Patient"),
        ("user/Patient.rs?_content=x", "Patient"),
        ("user/Location.rs?near=1|1", "Location"),
        // What lies where other records do.
        ("patient/Provenance.rs patient/Observation.rs?category=a|b", "Provenance"),
        ("patient/Binary.r patient/DocumentReference.rs?type=a", "Binary"),
        ("patient/Binary.r patient/DocumentReference.rs?type=a patient/DocumentReference.rs", "Binary"),
        ("patient/Binary.r patient/DocumentReference.rs?typ=a", "Binary"),
        ("user/Binary.r patient/DocumentReference.rs?type=a", "Binary"),
    ] {
        let context = context(scopes, Some("1"));
        let _ = writeln!(text, "{scopes}\n    of {of}");
        for permission in [Permission::Search, Permission::Read] {
            let granted = context.grant(asked(&table), of, permission);
            let granted = granted.map_or_else(|error| error.to_string(), |boundary| shown(&boundary));
            let _ = writeln!(text, "    {permission:?}: {granted}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_lies_in_both_of_two_grants() {
    let table = table();
    for (scopes, expected) in [
        ("patient/Observation.c patient/Observation.r", "of 1"),
        ("user/Observation.cr", "all"),
        ("user/Observation.c patient/Observation.r", "of 1"),
        ("user/Observation.c?code=a user/Observation.r", "[Observation all and code(1)]"),
        ("user/Observation.c?code=a patient/Observation.r", "[Observation of 1 and code(1)]"),
        ("user/Observation.cr?code=a", "[Observation all and code(1)]"),
        ("user/Observation.c?code=a user/Observation.r?status=b", "[Observation all and code(1) and status(1)]"),
        (
            "user/Observation.c?code=a patient/Observation.r?status=b user/Observation.r?date=2024",
            "[Observation all and code(1) and date(1)] or [Observation of 1 and code(1) and status(1)]",
        ),
    ] {
        let context = context(scopes, Some("1"));
        let of = |permission| context.grant(asked(&table), "Observation", permission).unwrap();
        let (create, read) = (of(Permission::Create), of(Permission::Read));
        assert_eq!(shown(&create.and(&read)), expected, "{scopes}");
    }
    let nothing = Boundary::Patient("1".to_owned()).and(&Boundary::Patient("2".to_owned()));
    assert!(nothing.is_nothing());
}

/// "Permission to retrieve information about the current logged-in user."
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#quick-start>
#[test]
fn who_is_logged_in_may_read_their_own_resource_and_no_other() {
    let table = table();
    for (user, expected) in [
        ("Practitioner/7".to_owned(), true),
        (format!("{BASE}/Practitioner/7"), true),
        ("https://elsewhere.org/fhir/Practitioner/7".to_owned(), false),
        (format!("{BASE}Practitioner/7"), false),
        ("PractitionerRole/7".to_owned(), false),
        ("Practitioner/7/_history/1".to_owned(), false),
    ] {
        let context = AccessContext { fhir_user: Some(user.clone()), ..context("patient/Observation.rs", Some("1")) };
        let read = context.grant(asked(&table), "Practitioner", Permission::Read);
        let shown = read.map(|boundary| shown(&boundary));
        assert_eq!(shown.as_deref() == Ok("[Practitioner all and _id 7]"), expected, "{user}");
        for permission in [Permission::Search, Permission::Update, Permission::Create, Permission::Delete] {
            assert!(context.grant(asked(&table), "Practitioner", permission).is_err(), "{user} {permission:?}");
        }
        let observation = context.grant(asked(&table), "Observation", Permission::Read);
        assert_eq!(observation, Ok(Boundary::Patient("1".to_owned())));
    }
}

/// Constraints are read once, and anew where the site's parameters became others.
#[test]
fn what_is_remembered_belongs_to_one_table() {
    let (first, second) = (table(), table());
    let context = context("user/Observation.rs?category=a", None);
    let grant = |table| context.grant(asked(table), "Observation", Permission::Read).unwrap();
    let same = |left: &Boundary, right: &Boundary| match (left, right) {
        (Boundary::Parts(left), Boundary::Parts(right)) => Arc::ptr_eq(left, right),
        _ => false,
    };
    let before = grant(&first);
    assert!(same(&before, &grant(&first)));
    assert!(!same(&before, &grant(&second)));
    assert!(same(&grant(&second), &grant(&second)));
}

/// Memory is bounded by the length of the token, however many types a wildcard covers.
#[test]
fn what_is_remembered_is_bounded() {
    let table = table();
    let long = format!("user/*.cruds?_tag={}", "x,".repeat(400).trim_end_matches(','));
    let context = context(&long, None);
    for entry in table.entries().filter(|entry| entry.name != AUDIT_EVENT) {
        assert!(context.grant(asked(&table), entry.name, Permission::Read).is_ok());
    }
    let known = context.remembered.0.read().unwrap();
    assert!(known.size <= context.weight(), "{} of {}", known.size, context.weight());
    assert!((1..20).contains(&known.grants.len()), "{}", known.grants.len());
}

/// A parameter that is still being indexed grants nothing yet, and is asked again.
#[test]
fn a_constraint_that_is_not_indexed_yet_grants_nothing_for_now() {
    let table = Arc::new(crate::search::tests::table_not_indexed("Observation", "category"));
    let context = context("user/Observation.rs?category=a user/Observation.rs?code=c", None);
    let granted = context.grant(asked(&table), "Observation", Permission::Read).unwrap();
    assert_eq!(shown(&granted), "[Observation all and code(1)]");
    assert!(context.remembered.0.read().unwrap().grants.is_empty());
}
