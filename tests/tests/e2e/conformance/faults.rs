//! Faults, each with the test that catches it and with what that test says.

use vesta_conformance::client::Server;
use vesta_conformance::run::{Options, Outcome, Tested};

use super::changes::*;
use super::proxy::{Asked, Change, Proxy, Reply, Upstream};
use super::{kit, load};
use crate::harness::{Client, World};

pub(super) struct Fault {
    name: &'static str,
    /// The suite, and the id of the test.
    caught_by: (&'static str, &'static str),
    says: &'static str,
    change: Change,
}

const REST: &str = "hl7.fhir.r4.rest";
const US_CORE: &str = "hl7.fhir.us.core-8.0.0";

pub(super) const fn fault(
    name: &'static str,
    caught_by: (&'static str, &'static str),
    says: &'static str,
    change: Change,
) -> Fault {
    Fault { name, caught_by, says, change }
}

/// In the request; the server's self link shows it all the same.
pub(super) const fn asked(ask: fn(&mut Asked)) -> Change {
    Change { ask, answer: believe }
}

pub(super) const fn answered(answer: fn(&Asked, &mut Reply, &Upstream)) -> Change {
    Change { ask: nothing_asked, answer }
}

#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    fault("a filter is ignored", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "though it does not match", asked(drop_category)),
    fault("a match is dropped", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "not found, though it matches", answered(drop_a_match)),
    fault("a match too many", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "though it does not match", answered(add_a_match)),
    fault("the self link hides a parameter", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "the self link does not show `category`", answered(forget_in_self_link)),
    fault("a wrong fullUrl", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "the fullUrl of", answered(wrong_full_url)),
    fault("a wrong search.mode", (US_CORE, "us-core-observation-lab/search/patient+category/get"), "search.mode include", answered(wrong_mode)),
    fault("a search by POST is not filtered", (US_CORE, "us-core-observation-lab/search/patient+category/post"), "though it does not match", asked(drop_form)),
    fault("a reference with its type finds nothing", (US_CORE, "us-core-observation-lab/search/patient+category/reference"), "not found, though it matches", asked(no_such_patient_with_type)),
    fault("the system of a token is ignored", (US_CORE, "us-core-observation-lab/search/patient+category/token"), "though it does not match", asked(ignore_systems)),
    fault("a date's prefix is off by one", (US_CORE, "us-core-observation-lab/search/patient+category+date/comparator"), "not found, though it matches", asked(greater_instead_of_greater_or_equal)),
    fault("a comma is an AND", (US_CORE, "us-core-observation-lab/search/patient+category+status/list"), "not found, though it matches", asked(all_instead_of_any)),
    fault("strings are compared whole", (US_CORE, "us-core-patient/search/name/get"), "not found, though it matches", asked(whole_names_only)),
    fault("an include is missing", (US_CORE, "us-core-medicationrequest/include/MedicationRequest:medication"), "is not included", answered(lose_included)),
    fault("a reverse include is missing", (US_CORE, "us-core-observation-lab/revinclude/Provenance:target"), "is not included", answered(lose_included)),
    fault("a reference leads nowhere", (US_CORE, "us-core-encounter/references"), "leads nowhere", answered(no_practitioner)),
    fault("a Must Support element is missing", (US_CORE, "us-core-observation-lab/must-support"), "Observation.interpretation", answered(no_interpretation)),
    fault("a profile is claimed and not kept", (US_CORE, "us-core-body-height/conformance"), "us-core-body-height|8.0.0)", answered(claim_a_height)),
    fault("an attachment cannot be fetched", (US_CORE, "clinical-notes/attachments"), "the attachment is not fetched", answered(no_binaries)),
    fault("the version in the body is not the ETag's", (US_CORE, "us-core-patient/read"), "the ETag names the version", answered(another_version)),
    fault("a version is not what was read", (US_CORE, "us-core-patient/vread"), "not what a read returns", answered(another_content_in_versions)),
    fault("a history does not say what was done", (US_CORE, "us-core-patient/history-instance"), "no request", answered(histories_without_requests)),
    fault("a search parameter is not declared", (US_CORE, "capability-statement/Observation"), "searchParam does not name category", answered(fewer_parameters)),
    fault("another release of FHIR is declared", (US_CORE, "capability-statement/statement"), "fhirVersion is", answered(other_release)),
    fault("a decimal loses a digit", (REST, "read/held"), ", returned ", answered(fewer_digits)),
    fault("a wrong Content-Type", (REST, "read/held"), "Content-Type is `text/plain`", answered(plain_json)),
    fault("a refusal without OperationOutcome", (REST, "read/unknown-id"), "no OperationOutcome", answered(say_nothing)),
    fault("a wrong status for an unknown id", (REST, "read/unknown-id"), "status 400, expected", answered(bad_request_instead_of_not_found)),
    fault("any format is accepted", (REST, "read/formats"), "status 200, expected [406]", answered(accept_everything)),
    fault("pages are lost", (REST, "search/paging"), "not found, though it matches", answered(lose_pages)),
    fault("an entry stands on two pages", (REST, "search/paging"), "is returned twice", answered(repeat_across_pages)),
    fault("a wrong total", (REST, "search/total"), "Bundle.total is", answered(one_too_many)),
    fault("strict handling is ignored", (REST, "search/unknown-parameter"), "expected [400]", Change { ask: forget_handling, answer: nothing_answered }),
    fault("a part of a resource looks whole", (REST, "search/subsetted"), "no tag SUBSETTED", answered(whole_resources_unmarked)),
];

/// Runs one test through a proxy that changes this.
fn through(client: &Client, change: Change, (suite, id): (&str, &str)) -> Tested {
    let proxy = Proxy::start(client, change);
    let server = Server::new(&proxy.base, client.token.clone());
    let options = Options {
        suites: vec![suite.to_owned()],
        tests: vec![id.to_owned()],
        workers: 2,
        mark: Some("e2e".to_owned()),
    };
    let tested = kit().run(&server, None, options);
    tested.into_iter().find(|tested| tested.id == id).unwrap_or_else(|| panic!("{suite} has no test {id}"))
}

#[test]
fn each_fault_is_caught_by_the_test_that_should() {
    let world = World::on_sqlite();
    load(&world);
    each_is_caught(&world.client("user/*.rs"), FAULTS);
}

pub(super) fn each_is_caught(client: &Client, faults: &[Fault]) {
    assert!(faults.len() >= 20);
    let mut wrong = Vec::new();
    for Fault { name, caught_by, says, change } in faults {
        // Without the fault it passes, through the proxy too: so it is the fault that it fails for.
        let good = through(client, Change { ask: nothing_asked, answer: nothing_answered }, *caught_by);
        if good.outcome != Outcome::Passed {
            wrong.push(format!("{name}: without it, {caught_by:?} is {:?}", good.outcome));
        }
        match through(client, *change, *caught_by).outcome {
            Outcome::Failed(problems) if problems.iter().any(|problem| problem.contains(says)) => {}
            other => wrong.push(format!("{name}: {caught_by:?} is {other:?}, expected a failure that says `{says}`")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
}
