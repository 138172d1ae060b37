//! Batch and transaction. <https://hl7.org/fhir/R4/http.html#transaction>

mod batch;
mod conditional_references;
mod entry;
mod links;
mod respond;
mod transaction;

use super::answer::Answer;
use super::audit::{Interaction, recorded};
use super::outcome::Error;
use super::service::{Request, parse_json};
use entry::BundleType;

/// Does all that the entries of a Bundle ask for: of a batch each for itself, of a transaction all or nothing.
pub async fn bundle(request: &Request<'_>, body: &[u8]) -> Result<Answer, Error> {
    let bundle = parse_json(body)?;
    let (bundle_type, entries) = entry::parse(request.service.schema, &request.service.base_url, bundle)?;
    match bundle_type {
        BundleType::Batch => recorded(request, Interaction::Batch, None, None, batch::run(request, entries)).await,
        BundleType::Transaction => {
            recorded(request, Interaction::Transaction, None, None, transaction::run(request, entries)).await
        }
    }
}

#[cfg(test)]
mod tests;
