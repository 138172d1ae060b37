//! What the pages show of patients and their visits: asked for like any client, through the search of the FHIR API, so that it is
//! bounded and recorded as other reads are.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;
use vesta_oauth::{ErrorCode, OAuthError, User};
use vesta_pages::{Encounter, Patient};

use super::Call;
use crate::access::{AccessContext, parse_scopes};
use crate::fhir::{self, Origin, Preferences, Request};
use crate::site::Site;

/// What a page's reader needs to choose.
const SCOPES: &str = "user/Patient.rs user/Encounter.rs";
/// Rows of a list of choices.
const ROWS: usize = 20;

pub(super) struct Chart<'a> {
    site: &'a Arc<Site>,
    request_id: &'a str,
    address: Option<IpAddr>,
    access: AccessContext,
}

/// What to look for.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) birth_date: &'a str,
    pub(super) identifier: &'a str,
}

impl<'a> Chart<'a> {
    /// With the rights of staff who chooses.
    pub(super) fn of_user(call: &Call<'a>, user: &User) -> Chart<'a> {
        let access = AccessContext {
            subject: user.id.as_str().into(),
            client_id: "vesta-pages".into(),
            scopes: parse_scopes(SCOPES).unwrap_or_default(),
            ..AccessContext::default()
        };
        Chart { site: call.site, request_id: call.request_id, address: call.address, access }
    }

    /// With those of a token.
    pub(super) fn of_access(call: &Call<'a>, access: &AccessContext) -> Chart<'a> {
        Chart { site: call.site, request_id: call.request_id, address: call.address, access: access.clone() }
    }

    /// A patient; none where there is none of that id, or it is not to be seen.
    pub(super) async fn patient(&self, id: &str) -> Result<Option<Patient>, OAuthError> {
        let found = self.search("Patient", &[("_id", id)], 1).await?;
        Ok(found.first().map(patient))
    }

    /// The first who match, and whether there are more.
    pub(super) async fn patients(&self, wanted: &Wanted<'_>) -> Result<(Vec<Patient>, bool), OAuthError> {
        // A comma would ask for either, a bar for a system: what a person types is one value.
        let typed = [("name", wanted.name), ("birthdate", wanted.birth_date), ("identifier", wanted.identifier)];
        let escaped = typed.map(|(name, value)| (name, escape(value.trim())));
        let parameters: Vec<(&str, &str)> = escaped
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let found = self.search("Patient", &parameters, ROWS + 1).await?;
        Ok((found.iter().take(ROWS).map(patient).collect(), found.len() > ROWS))
    }

    /// Newest first.
    pub(super) async fn encounters(&self, patient: &str) -> Result<Vec<Encounter>, OAuthError> {
        let found = self.search("Encounter", &[("patient", patient), ("_sort", "-date")], ROWS).await?;
        Ok(found.iter().map(encounter).collect())
    }

    /// Whether the encounter is one of the patient's.
    pub(super) async fn has_encounter(&self, patient: &str, encounter: &str) -> Result<bool, OAuthError> {
        Ok(!self.search("Encounter", &[("patient", patient), ("_id", encounter)], 1).await?.is_empty())
    }

    async fn search(&self, kind: &str, parameters: &[(&str, &str)], count: usize) -> Result<Vec<Value>, OAuthError> {
        let service = self.site.service();
        let mut parameters: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        parameters.push(("_count".to_owned(), count.to_string()));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let request = Request {
            service: &service,
            access: &self.access,
            request_id: self.request_id,
            origin: Origin { address: self.address, query: Some(&format!("{kind}?{query}")) },
            preferences: Preferences::default(),
        };
        let failed = |error: fhir::Error| {
            if error.kind == fhir::Kind::Forbidden {
                return OAuthError::new(
                    ErrorCode::InsufficientScope,
                    "the token's scopes do not cover patients or visits",
                );
            }
            error.log(self.request_id);
            OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "the records are not to be had for the moment: try again",
            )
        };
        let answer = fhir::search::search(&request, kind, &parameters).await.map_err(failed)?;
        let bundle: Value = serde_json::from_slice(&answer.body.into_bytes()).map_err(|_| {
            OAuthError::new(ErrorCode::ServerError, "a fault of the server's own; its log has the cause")
        })?;
        let entries = bundle.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_match = |entry: &Value| entry.pointer("/search/mode").and_then(Value::as_str) == Some("match");
        Ok(entries
            .into_iter()
            .filter(is_match)
            .filter_map(|mut entry| entry.get_mut("resource").map(Value::take))
            .collect())
    }
}

/// <https://hl7.org/fhir/R4/search.html#escaping>
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, '\\' | ',' | '$' | '|') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn patient(resource: &Value) -> Patient {
    Patient {
        id: text(resource, "/id"),
        name: name(resource),
        birth_date: text(resource, "/birthDate"),
        sex: text(resource, "/gender"),
        identifier: text(resource, "/identifier/0/value"),
    }
}

/// The official name, else the first.
fn name(resource: &Value) -> String {
    let names = resource.get("name").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let official = names.iter().find(|name| text(name, "/use") == "official").or(names.first());
    let Some(name) = official else { return "Without a name".to_owned() };
    let given = name.get("given").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let parts: Vec<String> = given
        .iter()
        .filter_map(|part| part.as_str().map(str::to_owned))
        .chain(std::iter::once(text(name, "/family")))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() { text(name, "/text") } else { parts.join(" ") }
}

fn encounter(resource: &Value) -> Encounter {
    let kind = ["/type/0/text", "/type/0/coding/0/display", "/class/display", "/class/code"];
    Encounter {
        id: text(resource, "/id"),
        start: text(resource, "/period/start"),
        kind: kind.iter().map(|pointer| text(resource, pointer)).find(|text| !text.is_empty()).unwrap_or_default(),
        place: text(resource, "/location/0/location/display"),
        status: text(resource, "/status"),
    }
}
