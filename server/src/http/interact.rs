//! From a route to the function in `fhir` that answers it.

use http::header::{IF_MATCH, IF_NONE_MATCH};

use super::fhir::{Call, if_modified_since, text};
use super::route::Interaction;
use crate::fhir::{Answer, Error, Kind, ReadConditions, Request, create, delete, history, read, update};

pub(super) async fn run(interaction: &Interaction<'_>, call: &Call<'_>) -> Result<Answer, Error> {
    let request = Request {
        service: &call.site.service,
        access: call.access,
        request_id: call.request_id,
        preferences: call.preferences,
    };
    let parameters = &call.parameters[..];
    let if_match = text(call.headers, IF_MATCH.as_str());
    match interaction {
        Interaction::Read { resource_type, id } => {
            let conditions = ReadConditions {
                if_none_match: text(call.headers, IF_NONE_MATCH.as_str()),
                if_modified_since: if_modified_since(call.headers),
            };
            read::read(&request, resource_type, id, &conditions, parameters).await
        }
        Interaction::Vread { resource_type, id, version } => {
            read::vread(&request, resource_type, id, version, parameters).await
        }
        Interaction::Create { resource_type } => {
            create::create(&request, resource_type, &call.body, text(call.headers, "if-none-exist")).await
        }
        Interaction::Update { resource_type, id } => {
            update::update(&request, resource_type, id, &call.body, if_match).await
        }
        Interaction::Delete { resource_type, id } => delete::delete(&request, resource_type, id, if_match).await,
        Interaction::InstanceHistory { resource_type, id } => {
            history::instance(&request, resource_type, id, parameters).await
        }
        Interaction::TypeHistory { resource_type } => history::type_level(&request, resource_type, parameters).await,
        Interaction::SystemHistory => history::system(&request, parameters).await,
        Interaction::Metadata
        | Interaction::SystemSearch
        | Interaction::SystemSearchForm
        | Interaction::Search { .. }
        | Interaction::Bundle => Err(Error::new(Kind::NotSupported, "this interaction is not offered yet")),
    }
}
