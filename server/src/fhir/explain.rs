//! `?__explain`: how the database is asked for a search, instead of the search itself. For operators, who look into why
//! one is slow: it needs a `system/` scope for what is searched. The answer is a Parameters resource with the SQL, the
//! types of its values and the steps of the plan; the values themselves are not told, since they may be of a patient.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::Request;
use crate::access::{Level, Permission};
use crate::store::SelectStatement;

const NAME: &str = "__explain";

/// Whether it is asked for, and the parameters of the search without it.
pub(super) fn asked(parameters: &[(String, String)]) -> (bool, Cow<'_, [(String, String)]>) {
    if parameters.iter().all(|(name, _)| name != NAME) {
        return (false, Cow::Borrowed(parameters));
    }
    (true, parameters.iter().filter(|(name, _)| name != NAME).cloned().collect())
}

/// 403 where no `system/` scope covers one of the types.
pub(super) fn allow(request: &Request<'_>, types: &[&'static str]) -> Result<(), Error> {
    let covers = |of: &str| {
        request.access.scopes.iter().any(|scope| {
            scope.level == Level::System
                && scope.permissions.include(Permission::Search)
                && scope.resource_type.as_deref().is_none_or(|covered| covered == of)
        })
    };
    match types.iter().find(|of| !covers(of)) {
        None => Ok(()),
        Some(of) => {
            let text = format!("`{NAME}` is for operators: it needs the scope system/{of}.s.");
            Err(Error::from_issue(Kind::Forbidden, Issue::error(IssueType::Forbidden, text)))
        }
    }
}

/// What is said of a search that the server puts in order.
pub(super) const ORDERED_HERE: &str =
    "All that the statement finds is read, a part at a time, and put in the order asked for by the server.";
/// What is said of one that an index has in order.
pub(super) const IN_ORDER: &str = "The statement `page-in-order` is asked first, of some hundred and then some thousand \
                                   resources; `page` is where it has not filled the page by then.";

/// Each statement under what it is for.
pub(super) async fn answer(
    request: &Request<'_>,
    statements: &[(&'static str, SelectStatement)],
    note: Option<&str>,
) -> Result<Answer, Error> {
    let mut parameters = Vec::new();
    for (purpose, statement) in statements {
        let explained = request.service.store.explain(statement).await?;
        let mut parts = vec![
            json!({ "name": "purpose", "valueCode": purpose }),
            json!({ "name": "sql", "valueString": explained.sql }),
        ];
        parts.extend(explained.values.iter().map(|kind| json!({ "name": "value", "valueCode": kind })));
        parts.extend(explained.steps.iter().map(|step| json!({ "name": "step", "valueString": shown(step) })));
        parameters.push(json!({ "name": "statement", "part": parts }));
    }
    parameters.extend(note.map(|text| json!({ "name": "note", "valueString": text })));
    let body: Value = json!({ "resourceType": "Parameters", "parameter": parameters });
    Ok(Answer::ok(Body::Bytes(body.to_string().into())))
}

/// A FHIR string begins with no white space, in which a plan has its depth.
fn shown(step: &str) -> String {
    let bare = step.trim_start();
    format!("{}{bare}", "· ".repeat((step.len() - bare.len()) / 2))
}
