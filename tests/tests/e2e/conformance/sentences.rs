//! Faults against the suites that go through the pages of the standard: each is one that a server may well have.

use serde_json::{Value, json};

use super::changes::nothing_answered;
use super::faults::{Fault, answered, asked, each_is_caught, fault};
use super::proxy::{Asked, Change, Reply, Upstream};
use crate::harness::World;

const REST: &str = "fhir-rest";
const SEARCH: &str = "fhir-search";

/// In the request, where no self link tells of it.
const fn sent(ask: fn(&mut Asked)) -> Change {
    Change { ask, answer: nothing_answered }
}

#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    fault("no ETag", (REST, "read/http-read-2"), "the header ETag is absent", answered(no_etag)),
    fault("200 for what was made", (REST, "create/http-create-7"), "status 200, expected [201]", answered(ok_instead_of_created)),
    fault("no Location", (REST, "create/http-create-7"), "the header Location is absent", answered(no_location)),
    fault("404 for what was deleted", (REST, "read/http-read-unknown"), "status 404, expected [410]", answered(not_found_instead_of_gone)),
    fault("If-None-Exist is ignored", (REST, "ccreate/http-ccreate-one"), "status 201, expected [200]", sent(forget_if_none_exist)),
    fault("If-Match is ignored", (REST, "concurrency/http-concurrency-if-match"), "status 200, expected [412]", sent(forget_if_match)),
    fault("an update at once is lost", (REST, "concurrency/http-concurrency-at-once"), "sent at once, {\"200\": 4} came", sent(forget_if_match)),
    fault("conditional creates at once make several", (REST, "ccreate/http-ccreate-at-once"), "sent at once, {\"201\": 4} came", sent(forget_if_none_exist)),
    fault("conditional updates at once make several", (REST, "cond-update/http-cond-update-at-once"), "sent at once, {\"201\": 4} came", sent(create_instead_of_conditional_update)),
    fault("a patch at once is lost", (REST, "patch/http-patch-at-once"), "/telecom", sent(read_instead_of_patch)),
    fault("a history is a batch", (REST, "other-bundles/http-other-bundles-1"), "/entry/*/resource/gender", sent(batch_instead_of_history)),
    fault("Prefer is ignored", (REST, "prefer/http-prefer-1"), "the body is", sent(forget_prefer)),
    fault("_format is ignored", (REST, "parameters/http-parameters-2"), "status 200, expected [406]", sent(forget_format)),
    fault("entries are answered in another order", (REST, "transaction-response/http-transaction-response-1"), "/entry/0/resource/id", answered(reverse_entries)),
    fault("a history begins with the oldest", (REST, "history/http-history-1"), "/entry/*/request/method", answered(reverse_entries)),
    fault("a transaction is done by halves", (REST, "trules/http-trules-1"), "status 200, expected", sent(batch_instead_of_transaction)),
    fault("a batch is done whole or not at all", (REST, "brules/http-brules-2"), "status 404, expected [200]", sent(transaction_instead_of_batch)),
    fault("the version of a resource is not told", (REST, "create/http-create-4"), "/meta/versionId", answered(no_version)),
    fault("HEAD is refused as unknown", (REST, "head/http-head-1"), "status 404, expected [200]", sent(get_elsewhere_for_head)),
    fault("a decimal loses a digit", (REST, "update/http-update-6"), "/valueQuantity", answered(shorter_decimals)),
    fault(":exact is ignored", (SEARCH, "string/search-string-exact"), "though it does not match", asked(forget_exact)),
    fault(":not is ignored", (SEARCH, "token/search-token-not"), "not found, though it matches", asked(forget_not)),
    fault(":missing is turned round", (SEARCH, "modifiers/search-modifiers-missing"), "though it", asked(turn_missing_round)),
    fault("an unsupported modifier is ignored", (SEARCH, "modifiers/search-modifiers-1"), "status 200, expected [400]", asked(forget_modifiers)),
    fault("_total is forgotten", (SEARCH, "total/search-total-accurate"), "/total is absent", answered(no_total)),
    fault("_count=0 gives entries", (SEARCH, "count/search-count-zero"), "/entry is", asked(count_one_instead_of_zero)),
    fault("_count is ignored", (SEARCH, "count/search-count-1"), "/entry is", asked(forget_count)),
    fault("_sort is ignored", (SEARCH, "sort/search-sort-order"), "in the order", asked(forget_sort)),
    fault("_include is ignored", (SEARCH, "include/search-include-forward"), "are included, expected", asked(forget_include)),
    fault("sa is gt", (SEARCH, "date/search-date-sa-eb"), "though it does not match", asked(greater_instead_of_starts_after)),
    fault("a comma is an and", (SEARCH, "combining/search-combining-and-or"), "not found, though it matches", asked(and_instead_of_or)),
    fault("the unit of a quantity is ignored", (SEARCH, "quantity/search-quantity-unit"), "though it does not match", asked(forget_units)),
    fault("an escaped comma separates", (SEARCH, "escaping/search-escaping-escape"), "though it", asked(forget_escapes)),
    fault("_elements is ignored", (SEARCH, "elements/search-elements-2"), "expected nothing", asked(forget_elements)),
    fault("strict handling is ignored", (SEARCH, "errors/search-errors-6"), "status 200, expected [400]", sent(forget_prefer)),
    fault("a chain is cut off", (SEARCH, "chaining/search-chaining-follow"), "though it does not match", asked(forget_chains)),
    fault("_query is ignored", (SEARCH, "query/search-query-1"), "status 200, expected [400]", asked(forget_query)),
];

#[test]
fn each_fault_is_caught_by_the_sentence_that_it_breaks() {
    let world = World::on_sqlite();
    each_is_caught(&world.client("user/*.cruds"), FAULTS);
}

fn no_etag(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.headers.retain(|(name, _)| name != "etag");
}

fn no_location(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.headers.retain(|(name, _)| name != "location");
}

fn ok_instead_of_created(_: &Asked, reply: &mut Reply, _: &Upstream) {
    if reply.status == 201 {
        reply.status = 200;
    }
}

fn not_found_instead_of_gone(_: &Asked, reply: &mut Reply, _: &Upstream) {
    if reply.status == 410 {
        reply.status = 404;
    }
}

fn no_version(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| {
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
        }
    });
}

fn reverse_entries(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.entries(|entries| entries.reverse());
}

fn no_total(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.edit(|body| {
        if let Some(members) = body.as_object_mut() {
            members.shift_remove("total");
        }
    });
}

fn shorter_decimals(_: &Asked, reply: &mut Reply, _: &Upstream) {
    reply.resources(|resource| {
        if resource["valueQuantity"].is_object() {
            resource["valueQuantity"]["value"] = json!(1);
        }
    });
}

fn forget_header(asked: &mut Asked, name: &str) {
    asked.headers.retain(|(known, _)| known != name);
}

fn forget_if_none_exist(asked: &mut Asked) {
    forget_header(asked, "if-none-exist");
}

fn forget_if_match(asked: &mut Asked) {
    forget_header(asked, "if-match");
}

fn forget_prefer(asked: &mut Asked) {
    forget_header(asked, "prefer");
}

fn forget_format(asked: &mut Asked) {
    asked.drop("_format");
}

fn replace_type(asked: &mut Asked, from: &str, to: &str) {
    if let Some(body) = &mut asked.body {
        *body = body.replace(&format!("\"type\":\"{from}\""), &format!("\"type\":\"{to}\""));
    }
}

fn batch_instead_of_transaction(asked: &mut Asked) {
    replace_type(asked, "transaction", "batch");
}

fn transaction_instead_of_batch(asked: &mut Asked) {
    replace_type(asked, "batch", "transaction");
}

fn batch_instead_of_history(asked: &mut Asked) {
    replace_type(asked, "history", "batch");
}

fn create_instead_of_conditional_update(asked: &mut Asked) {
    if asked.method == "PUT" && !asked.path.contains('/') {
        asked.drop("identifier");
        "POST".clone_into(&mut asked.method);
    }
}

/// The clients are told what they would hear of a patch.
fn read_instead_of_patch(asked: &mut Asked) {
    if asked.method == "PATCH" {
        "GET".clone_into(&mut asked.method);
        asked.body = None;
    }
}

fn get_elsewhere_for_head(asked: &mut Asked) {
    if asked.method == "HEAD" {
        "NoSuchType/1".clone_into(&mut asked.path);
    }
}

fn rename(asked: &mut Asked, change: impl Fn(&str) -> String) {
    for (name, _) in asked.parameters.iter_mut().filter(|(name, _)| !name.starts_with('_')) {
        *name = change(name);
    }
}

fn forget_exact(asked: &mut Asked) {
    rename(asked, |name| name.replace(":exact", ""));
}

fn forget_not(asked: &mut Asked) {
    rename(asked, |name| name.replace(":not", ""));
}

fn forget_modifiers(asked: &mut Asked) {
    rename(asked, |name| name.split(':').next().unwrap_or_default().to_owned());
}

fn forget_chains(asked: &mut Asked) {
    asked.parameters.retain(|(name, _)| !name.contains('.'));
}

fn values(asked: &mut Asked, change: impl Fn(&str) -> String) {
    for (_, value) in asked.parameters.iter_mut().filter(|(name, _)| !name.starts_with('_')) {
        *value = change(value);
    }
}

fn turn_missing_round(asked: &mut Asked) {
    values(asked, |value| match value {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        other => other.to_owned(),
    });
}

fn greater_instead_of_starts_after(asked: &mut Asked) {
    values(asked, |value| value.strip_prefix("sa").map_or_else(|| value.to_owned(), |date| format!("gt{date}")));
}

fn forget_units(asked: &mut Asked) {
    values(asked, |value| value.split('|').next().unwrap_or_default().to_owned());
}

fn forget_escapes(asked: &mut Asked) {
    values(asked, |value| value.replace("\\,", ","));
}

fn and_instead_of_or(asked: &mut Asked) {
    let pairs = asked.parameters.drain(..).flat_map(|(name, value)| {
        let parts: Vec<String> = value.split(',').map(str::to_owned).collect();
        parts.into_iter().map(move |part| (name.clone(), part))
    });
    asked.parameters = pairs.collect::<Vec<_>>();
}

fn count_one_instead_of_zero(asked: &mut Asked) {
    if let Some(count) = asked.value("_count") {
        "1".clone_into(count);
    }
}

fn forget_count(asked: &mut Asked) {
    asked.drop("_count");
}

fn forget_sort(asked: &mut Asked) {
    asked.drop("_sort");
}

fn forget_include(asked: &mut Asked) {
    asked.drop("_include");
}

fn forget_elements(asked: &mut Asked) {
    asked.drop("_elements");
}

fn forget_query(asked: &mut Asked) {
    asked.drop("_query");
}
