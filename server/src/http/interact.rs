//! From a route to the function in `fhir` that answers it.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};

use super::fhir::{Call, if_modified_since, text};
use super::negotiate::{self, is_fhir_body};
use super::route::Interaction;
use crate::fhir::patch::PatchTarget;
use crate::fhir::{
    Answer, Error, Kind, ReadConditions, Request, Service, app_state, binary, bundle, create, delete, history,
    metadata, operation, patch, read, refuse_on_write, search, update,
};
use crate::site::Site;

/// None where it is no operation; inside, none where it is not offered there.
pub(super) fn operation(interaction: &Interaction<'_>, site: &Site) -> Option<Option<operation::Found>> {
    let Interaction::Operation { name, .. } = interaction else { return None };
    Some(operation::find(&site.service(), name, place(interaction)))
}

pub(super) fn place<'a>(interaction: &'a Interaction<'_>) -> operation::Place<'a> {
    match interaction {
        Interaction::Operation { resource_type: Some(name), id: Some(id), .. } => operation::Place::Instance(name, id),
        Interaction::Operation { resource_type: Some(name), .. } => operation::Place::Type(name),
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
    let if_match = text(call.headers, IF_MATCH.as_str());
    if !matches!(interaction, Interaction::Search { .. }) {
        refuse_on_write(&call.parameters).map_err(|issue| Error::from_issue(Kind::Invalid, issue))?;
    }
    match interaction {
        Interaction::Create { .. } => app_state::create(&request, &call.body).await,
        Interaction::Update { id, .. } => app_state::update(&request, id, &call.body, if_match).await,
        Interaction::Delete { id, .. } => app_state::delete(&request, id, if_match).await,
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
    let conditions = ReadConditions {
        if_none_match: text(call.headers, IF_NONE_MATCH.as_str()),
        if_modified_since: if_modified_since(call.headers),
    };
    match interaction {
        Interaction::Read { resource_type, id } if resource_type != BINARY => {
            read::read(&request, resource_type, id, &conditions, parameters).await
        }
        // A future is as large as the largest that it may wait for, and is moved as a whole: the most frequent
        // interaction does not carry the others.
        _ => Box::pin(run_other(interaction, call, &request, &conditions)).await,
    }
}

/// All interactions but the plain read.
async fn run_other(
    interaction: &Interaction<'_>,
    call: &Call<'_>,
    request: &Request<'_>,
    conditions: &ReadConditions<'_>,
) -> Result<Answer, Error> {
    let (service, parameters) = (request.service, &call.parameters[..]);
    let if_match = text(call.headers, IF_MATCH.as_str());
    match interaction {
        Interaction::Metadata => metadata::metadata(service, parameters).await,
        // Of a Binary: others are read above.
        Interaction::Read { id, .. } => binary::read(request, id, call.names_fhir, conditions, parameters).await,
        Interaction::Vread { resource_type, id, version } if resource_type == BINARY => {
            binary::vread(request, id, version, call.names_fhir, parameters).await
        }
        Interaction::Create { resource_type } if resource_type == BINARY && !is_fhir_body(call.headers) => {
            let content_type = content_type(call)?;
            binary::create(request, content_type, text(call.headers, SECURITY_CONTEXT), &call.body).await
        }
        Interaction::Update { resource_type, id } if resource_type == BINARY && !is_fhir_body(call.headers) => {
            let (content_type, context) = (content_type(call)?, text(call.headers, SECURITY_CONTEXT));
            binary::update(request, id, content_type, context, &call.body, if_match).await
        }
        Interaction::Vread { resource_type, id, version } => {
            read::vread(request, resource_type, id, version, parameters).await
        }
        Interaction::Create { resource_type } => {
            create::create(request, resource_type, &call.body, text(call.headers, "if-none-exist")).await
        }
        Interaction::Update { resource_type, id } => {
            update::update(request, resource_type, id, &call.body, if_match).await
        }
        Interaction::Delete { resource_type, id } => delete::delete(request, resource_type, id, if_match).await,
        Interaction::Patch { resource_type, id } => {
            let (format, target) = (negotiate::patch_format(call.headers)?, PatchTarget::Id(id));
            patch::patch(request, resource_type, target, format, &call.body, if_match).await
        }
        Interaction::ConditionalUpdate { resource_type } => {
            update::conditional(request, resource_type, parameters, &call.body, if_match).await
        }
        Interaction::ConditionalPatch { resource_type } => {
            let (format, target) = (negotiate::patch_format(call.headers)?, PatchTarget::Condition(parameters));
            patch::patch(request, resource_type, target, format, &call.body, if_match).await
        }
        Interaction::ConditionalDelete { resource_type } => {
            delete::conditional(request, resource_type, parameters, if_match).await
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

/// What the raw content of a Binary is.
fn content_type<'a>(call: &Call<'a>) -> Result<&'a str, Error> {
    text(call.headers, CONTENT_TYPE.as_str()).ok_or_else(|| {
        Error::new(Kind::UnsupportedMediaType, "Content-Type: it is missing; say what the content of the Binary is")
    })
}
