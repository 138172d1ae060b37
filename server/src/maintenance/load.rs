//! Writing an item of an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Answer;
use crate::access::AccessContext;
use crate::fhir::bundle;
use crate::fhir::{Error, Kind, Preferences, Request, Service};
use crate::import::Item;
use crate::store::{Effect, Patience};

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

pub(super) async fn load(service: &Arc<Service>, access: &AccessContext, request_id: &str, item: Item) -> Answer {
    let done = match item {
        Item::Puts(puts) => bundle::load(service, access, request_id, puts).await.map(|written| {
            let named = |number| service.parameters.type_name(number).unwrap_or_default().to_owned();
            written.into_iter().map(|written| (named(written.resource_type), done(written.effect))).collect::<Vec<_>>()
        }),
        Item::Transaction(bundle) => transaction(service, access, request_id, &bundle).await,
    };
    match done {
        Ok(done) => {
            let mut counts: BTreeMap<(String, Done), u64> = BTreeMap::new();
            for one in done {
                *counts.entry(one).or_default() += 1;
            }
            let loaded = counts.into_iter().map(|((resource_type, done), count)| Loaded { resource_type, done, count });
            Answer::Loaded(loaded.collect())
        }
        Err(error) => Answer::Refused { may_succeed_later: may_succeed_later(&error), issues: issues(&error) },
    }
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
async fn transaction(
    service: &Arc<Service>,
    access: &AccessContext,
    request_id: &str,
    bundle: &Value,
) -> Result<Vec<(String, Done)>, Error> {
    let request = Request { service, access, request_id, preferences: Preferences::default() };
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
