//! From a route to the function in `fhir` that answers it.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::fhir::{Call, date, text};
use super::negotiate::{self, is_fhir_body};
use super::route::Interaction;
use crate::fhir::patch::PatchTarget;
use crate::fhir::{
    Answer, Error, Kind, ReadConditions, Request, Service, WriteConditions, app_state, binary, bundle, create, delete,
    history, metadata, operation, patch, read, refuse_on_write, search, update,
};
use crate::site::Site;

/// None where it is no operation; inside, none where it is not offered there.
pub(super) fn operation(interaction: &Interaction<'_>, site: &Site) -> Option<Option<operation::Found>> {
    let Interaction::Operation { name, .. } = interaction else { return None };
    Some(operation::find(&site.service(), name, place(interaction)))
}

pub(super) fn place<'a>(interaction: &'a Interaction<'_>) -> operation::Place<'a> {
    match interaction {
        Interaction::Operation { resource_type, id, version, .. } => {
            operation::Place::of(resource_type.as_deref(), id.as_deref(), version.as_deref())
        }
        _ => operation::Place::System,
    }
}

/// The interactions of the base for app state.
pub(super) fn is_of_app_state(interaction: &Interaction<'_>) -> bool {
    match interaction {
        Interaction::Create { resource_type }
        | Interaction::Search { resource_type, .. }
        | Interaction::Update { resource_type, .. }
        | Interaction::Delete { resource_type, .. } => resource_type == app_state::BASIC,
        _ => false,
    }
}

pub(super) async fn run_app_state(interaction: &Interaction<'_>, call: &Call<'_>) -> Result<Answer, Error> {
    let service = &call.site.service();
    let request = request(call, service);
    let tags = Tags::read(call.headers);
    let conditions = tags.of_write(call.headers);
    if !matches!(interaction, Interaction::Search { .. }) {
        refuse_on_write(&call.parameters).map_err(|issue| Error::from_issue(Kind::Invalid, issue))?;
    }
    match interaction {
        Interaction::Create { .. } => app_state::create(&request, &call.body).await,
        Interaction::Update { id, .. } => app_state::update(&request, id, &call.body, conditions).await,
        Interaction::Delete { id, .. } => app_state::delete(&request, id, conditions).await,
        _ => app_state::search(&request, &call.parameters).await,
    }
}

fn request<'a>(call: &'a Call<'_>, service: &'a Arc<Service>) -> Request<'a> {
    Request {
        service,
        access: call.access,
        request_id: call.request_id,
        origin: call.origin,
        preferences: call.preferences,
    }
}

pub(super) async fn run(interaction: &Interaction<'_>, call: &Call<'_>) -> Result<Answer, Error> {
    let service = &call.site.service();
    let request = request(call, service);
    let parameters = &call.parameters[..];
    if matches!(
        interaction,
        Interaction::Create { .. }
            | Interaction::Update { .. }
            | Interaction::Patch { .. }
            | Interaction::Delete { .. }
            | Interaction::Bundle
    ) {
        refuse_on_write(parameters).map_err(|issue| Error::from_issue(Kind::Invalid, issue))?;
    }
    let tags = Tags::read(call.headers);
    let conditions = tags.of_read(call.headers);
    match interaction {
        Interaction::Read { resource_type, id } if resource_type != BINARY => {
            read::read(&request, resource_type, id, &conditions, parameters).await
        }
        // A future is as large as the largest that it may wait for, and is moved as a whole: the most frequent
        // interaction does not carry the others.
        _ => Box::pin(run_other(interaction, call, &request, &tags)).await,
    }
}

/// All interactions but the plain read.
async fn run_other(
    interaction: &Interaction<'_>,
    call: &Call<'_>,
    request: &Request<'_>,
    tags: &Tags,
) -> Result<Answer, Error> {
    let (service, parameters) = (request.service, &call.parameters[..]);
    let (of_read, conditions) = (&tags.of_read(call.headers), tags.of_write(call.headers));
    match interaction {
        Interaction::Metadata => metadata::metadata(service, parameters).await,
        // Of a Binary: others are read above.
        Interaction::Read { id, .. } => binary::read(request, id, call.names_fhir, of_read, parameters).await,
        Interaction::Vread { resource_type, id, version } if resource_type == BINARY => {
            binary::vread(request, id, version, call.names_fhir, of_read, parameters).await
        }
        Interaction::Create { resource_type } if resource_type == BINARY && !is_fhir_body(call.headers) => {
            let content_type = content_type(call)?;
            binary::create(request, content_type, single(call.headers, SECURITY_CONTEXT)?, &call.body).await
        }
        Interaction::Update { resource_type, id } if resource_type == BINARY && !is_fhir_body(call.headers) => {
            let (content_type, context) = (content_type(call)?, single(call.headers, SECURITY_CONTEXT)?);
            binary::update(request, id, content_type, context, &call.body, conditions).await
        }
        Interaction::Vread { resource_type, id, version } => {
            read::vread(request, resource_type, id, version, of_read, parameters).await
        }
        Interaction::Create { resource_type } => {
            create::create(request, resource_type, &call.body, single(call.headers, IF_NONE_EXIST)?).await
        }
        Interaction::Update { resource_type, id } => {
            update::update(request, resource_type, id, &call.body, conditions).await
        }
        Interaction::Delete { resource_type, id } => delete::delete(request, resource_type, id, conditions).await,
        Interaction::Patch { resource_type, id } => {
            let (format, target) = (negotiate::patch_format(call.headers)?, PatchTarget::Id(id));
            patch::patch(request, resource_type, target, format, &call.body, conditions).await
        }
        Interaction::ConditionalUpdate { resource_type } => {
            update::conditional(request, resource_type, parameters, &call.body, conditions).await
        }
        Interaction::ConditionalPatch { resource_type } => {
            let (format, target) = (negotiate::patch_format(call.headers)?, PatchTarget::Condition(parameters));
            patch::patch(request, resource_type, target, format, &call.body, conditions).await
        }
        Interaction::ConditionalDelete { resource_type } => {
            delete::conditional(request, resource_type, parameters, conditions).await
        }
        Interaction::InstanceHistory { resource_type, id } => {
            history::instance(request, resource_type, id, parameters).await
        }
        Interaction::TypeHistory { resource_type } => history::type_level(request, resource_type, parameters).await,
        Interaction::SystemHistory => history::system(request, parameters).await,
        Interaction::Search { resource_type, .. } => search::search(request, resource_type, parameters).await,
        Interaction::Compartment { owner, id, member } => {
            search::compartment(request, (owner, id, member), parameters).await
        }
        Interaction::SystemSearch | Interaction::SystemSearchForm => search::system(request, parameters).await,
        Interaction::Bundle => bundle::bundle(request, &call.body).await,
        Interaction::Operation { is_post, .. } => {
            let found = operation(interaction, call.site).flatten().ok_or_else(|| {
                Error::new(Kind::NotFound, "This operation is not offered here; /metadata lists what is.")
            })?;
            let body = is_post.then_some(&call.body[..]);
            operation::run(request, found, place(interaction), parameters, body).await
        }
    }
}

const BINARY: &str = "Binary";
/// Which resource decides who may see a Binary: <https://hl7.org/fhir/R4/binary.html#rest>
const SECURITY_CONTEXT: &str = "x-security-context";

/// <https://hl7.org/fhir/R4/http.html#ccreate>
const IF_NONE_EXIST: &str = "if-none-exist";

/// A header that decides what is written, and so is never passed over: it is there once and readable, or not at all.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
    match (std::str::from_utf8(value.as_bytes()), more) {
        (Ok(text), None) => Ok(Some(text)),
        (_, Some(_)) => {
            Err(Error::new(Kind::Invalid, format!("The header {name} is given several times: send it once.")))
        }
        (Err(_), None) => {
            let text =
                format!("The header {name} is not readable: send it as UTF-8, or with %XX for what is not ASCII.");
            Err(Error::new(Kind::Invalid, text))
        }
    }
}

/// The entity tags that a request names. "Multiple field lines with the same name" are one list: RFC 9110, 5.3.
struct Tags {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Tags {
    fn read(headers: &HeaderMap) -> Tags {
        let list = |name: HeaderName| {
            let all: Vec<_> =
                headers.get_all(&name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!all.is_empty()).then(|| all.join(", "))
        };
        Tags { if_match: list(IF_MATCH), if_none_match: list(IF_NONE_MATCH) }
    }

    fn of_read(&self, headers: &HeaderMap) -> ReadConditions<'_> {
        let if_modified_since = date(headers, &IF_MODIFIED_SINCE);
        ReadConditions { if_none_match: self.if_none_match.as_deref(), if_modified_since }
    }

    fn of_write(&self, headers: &HeaderMap) -> WriteConditions<'_> {
        WriteConditions {
            if_match: self.if_match.as_deref(),
            if_none_match: self.if_none_match.as_deref(),
            if_unmodified_since: date(headers, &IF_UNMODIFIED_SINCE),
        }
    }
}

/// What the raw content of a Binary is.
fn content_type<'a>(call: &Call<'a>) -> Result<&'a str, Error> {
    text(call.headers, CONTENT_TYPE.as_str()).ok_or_else(|| {
        Error::new(Kind::UnsupportedMediaType, "Content-Type: it is missing; say what the content of the Binary is")
    })
}
