//! Writing the documents of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;
use crate::access::AccessContext;
use crate::fhir::bundle::{self, Prepared};
use crate::fhir::{Error, Kind, Origin, Preferences, Request, Service};
use crate::import::{Item, items};
use crate::store::{Effect, Patience};

/// A JSON document to be loaded: a resource, or a Bundle of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub text: String,
    /// The places of those of its items that are wanted; none: all.
    pub only: Option<Vec<usize>>,
}

/// What became of a document.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub loaded: Vec<Loaded>,
    pub refused: Vec<Refused>,
}

/// Why nothing of an item was written, one line an issue.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Its place among those of its document.
    pub item: usize,
    pub issues: Vec<String>,
    /// Whether it might be taken once the rest is there.
    pub may_succeed_later: bool,
}

/// What became of the resources of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    pub resource_type: String,
    pub done: Done,
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Done {
    Created,
    Updated,
    Unchanged,
    Deleted,
}

type Finished = Result<Vec<(String, Done)>, Error>;

/// An item on its way.
enum Step {
    Ended(Finished),
    Put(Prepared),
    Transaction(Value),
}

/// Loads the documents; one outcome each. All are made ready first and written together then: so the writer gets
/// them in one transaction.
pub(super) async fn load(
    service: &Arc<Service>,
    access: &AccessContext,
    request_id: &str,
    sources: Vec<Source>,
) -> Answer {
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(sources.len());
    let mut steps = Vec::with_capacity(sources.len());
    for (document, source) in sources.into_iter().enumerate() {
        let mut outcome = Outcome::default();
        match vesta_runtime::json::parse(source.text.as_bytes()).map_err(|error| error.to_string()).and_then(items) {
            Ok(items) => {
                for (item, one) in items.into_iter().enumerate() {
                    if source.only.as_ref().is_some_and(|only| !only.contains(&item)) {
                        continue;
                    }
                    let step = match one {
                        Item::Puts(puts) => bundle::prepare(service, access, request_id, puts)
                            .map_or_else(|error| Step::Ended(Err(error)), Step::Put),
                        Item::Transaction(bundle) => Step::Transaction(bundle),
                    };
                    steps.push((document, item, step));
                    // Requests are served beside this.
                    tokio::task::yield_now().await;
                }
            }
            Err(issue) => {
                outcome.refused.push(Refused { item: 0, issues: vec![issue], may_succeed_later: false });
            }
        }
        outcomes.push(outcome);
    }
    let finished = join_all(steps.into_iter().map(|(document, item, step)| async move {
        let finished = match step {
            Step::Ended(finished) => finished,
            Step::Put(prepared) => put(service, prepared).await,
            Step::Transaction(bundle) => transaction(service, access, request_id, &bundle).await,
        };
        (document, item, finished)
    }));
    let mut counts: Vec<BTreeMap<(String, Done), u64>> = outcomes.iter().map(|_| BTreeMap::new()).collect();
    for (document, item, finished) in finished.await {
        match finished {
            Ok(done) => {
                for one in done {
                    *counts[document].entry(one).or_default() += 1;
                }
            }
            Err(error) => {
                let (issues, may_succeed_later) = (issues(&error), may_succeed_later(&error));
                outcomes[document].refused.push(Refused { item, issues, may_succeed_later });
            }
        }
    }
    for (outcome, counts) in outcomes.iter_mut().zip(counts) {
        let loaded = counts.into_iter().map(|((resource_type, done), count)| Loaded { resource_type, done, count });
        outcome.loaded = loaded.collect();
    }
    Answer::Loaded(outcomes)
}

async fn put(service: &Arc<Service>, prepared: Prepared) -> Finished {
    let written = bundle::write(service, prepared).await?;
    let named = |number| service.parameters.type_name(number).unwrap_or_default().to_owned();
    Ok(written.into_iter().map(|written| (named(written.resource_type), done(written.effect))).collect())
}

fn done(effect: Effect) -> Done {
    match effect {
        Effect::Created => Done::Created,
        Effect::Updated => Done::Updated,
        Effect::Unchanged => Done::Unchanged,
        Effect::Deleted | Effect::AlreadyDeleted | Effect::Absent => Done::Deleted,
    }
}

/// A transaction as a client would send it.
async fn transaction(service: &Arc<Service>, access: &AccessContext, request_id: &str, bundle: &Value) -> Finished {
    let request =
        Request { service, access, request_id, origin: Origin::default(), preferences: Preferences::default() };
    let text = bundle.to_string();
    let mut patience = Patience::begin();
    let answer = loop {
        match bundle::bundle(&request, text.as_bytes()).await {
            Err(error) if error.kind == Kind::Unavailable && patience.wait().await => {}
            result => break result?,
        }
    };
    let answer: Value = serde_json::from_slice(&answer.body.into_bytes()).unwrap_or_default();
    let sent = bundle["entry"].as_array().into_iter().flatten();
    let answered = answer["entry"].as_array().into_iter().flatten();
    let done = sent.zip(answered).map(|(sent, answered)| {
        let status = answered["response"]["status"].as_str().unwrap_or_default();
        let done = match sent["request"]["method"].as_str() {
            Some("DELETE") => Done::Deleted,
            _ if status.starts_with("201") => Done::Created,
            Some("PUT") => Done::Updated,
            _ => Done::Unchanged,
        };
        let url = sent["request"]["url"].as_str().unwrap_or_default();
        (url.split(['/', '?']).next().unwrap_or_default().to_owned(), done)
    });
    Ok(done.collect())
}

/// A conditional reference may be to what a later file brings.
fn may_succeed_later(error: &Error) -> bool {
    matches!(error.kind, Kind::PreconditionFailed | Kind::NotFound | Kind::Unavailable | Kind::Conflict)
}

/// `Patient.gender: …`, without anything of the record.
fn issues(error: &Error) -> Vec<String> {
    let shown = error.issues.iter().map(|issue| {
        let says = issue.details.as_deref().unwrap_or(&issue.diagnostics);
        match issue.expression.as_slice() {
            [] => says.to_owned(),
            places => format!("{}: {says}", places.join(", ")),
        }
    });
    shown.collect()
}
