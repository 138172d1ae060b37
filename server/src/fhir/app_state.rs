//! App state, an experimental part of SMART 2.2: what an app keeps with the server for a person or for all, in Basic
//! resources. They are records like any, in the same boundary and under the same scopes; what this base adds are the
//! rules that keep two of an app's pages from overwriting each other.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html>

use serde_json::Value;

use super::answer::Answer;
use super::audit::{Interaction, recorded};
use super::conditions::WriteConditions;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::{Request, Type, parse_json};
use super::{create, delete, search, update};
use crate::access::Permission;
use crate::store::Stored;

/// The only type of this base.
pub const BASIC: &str = "Basic";

/// "Total resource size ... SHALL NOT exceed 256KB"
const MOST_BYTES: usize = 256 * 1024;

/// "The EHR SHALL support at least Patient, Practitioner, PractitionerRole, RelatedPerson, Person."
const SUBJECTS: [&str; 5] = ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"];

pub async fn create(request: &Request<'_>, body: &[u8]) -> Result<Answer, Error> {
    let basic = request.service.resource_type(BASIC)?;
    recorded(request, Interaction::Create, Some(basic), None, async {
        let state = checked(request, body)?;
        if state.get("id").is_some() || state["meta"].get("versionId").is_some() {
            return Err(invalid("Basic.id", "Leave out `id` and `meta.versionId`: new state is given both."));
        }
        create::create_resource(request, basic, state, None).await
    })
    .await
}

/// "`Basic.subject` and `Basic.code` SHALL NOT change from the previously-persisted values"
pub async fn update(
    request: &Request<'_>,
    id: &str,
    body: &[u8],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let basic = request.service.resource_type(BASIC)?;
    recorded(request, Interaction::Update, Some(basic), Some(id), async {
        request.grant(basic, Permission::Update)?;
        let state = checked(request, body)?;
        let before = current(request, basic, id, conditions).await?;
        let before = parse_json(&before.body)?;
        let keeps = |pointer: &str| state.pointer(pointer) == before.pointer(pointer);
        let kept = ["/subject/reference", "/code/coding/0/system", "/code/coding/0/code"];
        if !kept.into_iter().all(keeps) {
            return Err(Error::new(
                Kind::PreconditionFailed,
                "State keeps its `subject` and its `code`: create another for others.",
            ));
        }
        update::update_resource(request, basic, id, state, conditions).await
    })
    .await
}

pub async fn delete(request: &Request<'_>, id: &str, conditions: WriteConditions<'_>) -> Result<Answer, Error> {
    let basic = request.service.resource_type(BASIC)?;
    recorded(request, Interaction::Delete, Some(basic), Some(id), async {
        request.grant(basic, Permission::Delete)?;
        current(request, basic, id, conditions).await.map(drop)
    })
    .await?;
    delete::delete(request, BASIC, id, conditions).await
}

/// "An app SHALL query for state by supplying a state type code and optionally a subject": of a subject, or
/// `subject:missing=true` for what is everyone's.
pub async fn search(request: &Request<'_>, parameters: &[(String, String)]) -> Result<Answer, Error> {
    let has = |wanted: &str, is_right: fn(&str) -> bool| {
        parameters.iter().any(|(name, value)| name == wanted && is_right(value))
    };
    let is_code =
        |value: &str| value.split_once('|').is_some_and(|(system, code)| !system.is_empty() && !code.is_empty());
    let is_one = |value: &str| !value.is_empty();
    if has("code", is_code) && (has("subject", is_one) || has("subject:missing", |value| value == "true")) {
        return search::search(request, BASIC, parameters).await;
    }
    let basic = request.service.resource_type(BASIC)?;
    let text = "State is asked for by `code=system|code`, and by `subject` or `subject:missing=true`.";
    recorded(request, Interaction::SearchType, Some(basic), None, async { Err(invalid("Basic", text)) }).await
}

/// The state as it stands. "Servers SHALL process any subsequent requests about this `Basic.id` as a failed
/// precondition", where it is deleted.
async fn current(
    request: &Request<'_>,
    basic: Type,
    id: &str,
    conditions: WriteConditions<'_>,
) -> Result<Stored, Error> {
    // `*` knows no version.
    if conditions.if_match.is_none_or(|tags| tags.trim() == "*") {
        return Err(Error::new(
            Kind::PreconditionFailed,
            "State is changed by who knows its version: send If-Match with the ETag of your last answer.",
        ));
    }
    let stored = request.service.store.read(basic.number, id).await?;
    stored.filter(|stored| !stored.deleted).ok_or_else(|| {
        Error::new(Kind::PreconditionFailed, "There is no state of this id, or not any more: create it anew.")
    })
}

/// What a body must be beside a Basic.
fn checked(request: &Request<'_>, body: &[u8]) -> Result<Value, Error> {
    if body.len() > MOST_BYTES {
        let message = format!("State is at most {MOST_BYTES} bytes: keep less, or in several.");
        return Err(Error::new(Kind::TooLarge, message));
    }
    let state = parse_json(body)?;
    let codings = state.pointer("/code/coding").and_then(Value::as_array).map_or(0, Vec::len);
    if codings != 1 {
        return Err(invalid("Basic.code.coding", "State has exactly one coding, which says what it is to the app."));
    }
    if let Some(subject) = state.get("subject") {
        let base = format!("{}/", request.service.base_url);
        let local = subject["reference"].as_str().and_then(|reference| reference.strip_prefix(&base));
        let named = local.and_then(|local| local.split_once('/'));
        if !named.is_some_and(|(name, id)| SUBJECTS.contains(&name) && crate::validate::is_id(id)) {
            let right = format!("The subject is an absolute reference: {base} and one of {}.", SUBJECTS.join(", "));
            return Err(Error::from_issue(Kind::Invalid, at("Basic.subject", right)));
        }
    }
    let extensions = state.get("extension").and_then(Value::as_array).into_iter().flatten();
    if !extensions.into_iter().all(|extension| extension["valueString"].is_string()) {
        return Err(invalid("Basic.extension", "Each extension of state has a `valueString`."));
    }
    Ok(state)
}

fn invalid(place: &str, message: &'static str) -> Error {
    Error::from_issue(Kind::Invalid, at(place, message.to_owned()))
}

fn at(place: &str, message: String) -> Issue {
    Issue { expression: vec![place.to_owned()], ..Issue::error(IssueType::Value, message) }
}
