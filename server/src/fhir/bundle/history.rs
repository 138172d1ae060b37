//! A history that is posted: what happened elsewhere, done here again, the oldest first.
//! <https://hl7.org/fhir/R4/http.html#other-bundles>
//!
//! "Bundles of type history … can be treated as either a transaction or batch, so servers SHOULD accept a history bundle …
//! a resource may occur more than once in a history list, so servers processing history bundles must have some strategy to
//! manage this." Here it is a batch that goes from its last entry to its first, each after the other: a history has the
//! oldest versions last. What was created or updated is put at its own id, so that references to it hold; what was deleted
//! is deleted. Each is a version of this server's, with its number and time.

use serde_json::Value;

use super::batch;
use super::entry::{BundleType, Entry, Method, Target, place};
use super::respond::{self, Outcome};
use crate::fhir::answer::Answer;
use crate::fhir::outcome::{Error, Issue, IssueType};
use crate::fhir::service::Request;

/// What an entry of a history comes to here: an update at its id, or a delete.
pub(super) fn again(entry: Entry) -> Result<Entry, Issue> {
    let own_id = || {
        let id = entry.resource.as_ref().and_then(|resource| resource.get("id")).and_then(Value::as_str);
        let missing = "`id` is missing: a version in a history has the id of its resource.";
        id.map(str::to_owned).ok_or_else(|| Issue::error(IssueType::Required, missing).at("resource.id"))
    };
    let wrong = |text: &'static str| Err(Issue::error(IssueType::Value, text).at("request.method"));
    let method = match entry.method {
        Method::Post | Method::Put | Method::Patch => Method::Put,
        Method::Delete => Method::Delete,
        Method::Get | Method::Head => return wrong("A history tells of changes: POST, PUT and DELETE."),
    };
    let target = match &entry.target {
        Target::Type(name, _) if entry.method == Method::Post => Target::Instance(name.clone(), own_id()?, Vec::new()),
        Target::Instance(name, id, _) | Target::Version(name, id, ..) => {
            Target::Instance(name.clone(), id.clone(), Vec::new())
        }
        _ => {
            let text = "An entry of a history names what was changed: [type]/[id], or [type] with POST.";
            return Err(Issue::error(IssueType::Value, text).at("request.url"));
        }
    };
    if method == Method::Put && entry.resource.is_none() {
        let text = "A version in a history that is no deletion has a `resource`.";
        return Err(Issue::error(IssueType::Required, text).at("resource"));
    }
    Ok(Entry { method, target, ..entry })
}

pub(super) async fn run(request: &Request<'_>, entries: Vec<Result<Entry, Error>>) -> Result<Answer, Error> {
    let inner = batch::within(request);
    let mut outcomes = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate().rev() {
        let done = match entry {
            Ok(entry) => batch::one(&inner, entry).await.map_err(|error| error.within(&place(index))),
            Err(error) => Err(error),
        };
        outcomes.push(done.map_or_else(Outcome::Error, Outcome::Answer));
    }
    outcomes.reverse();
    Ok(Answer::ok(respond::bundle(request, BundleType::History.response(), outcomes)))
}
