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
    let service = request.service;
    let parsed = parse_json(body).and_then(|bundle| entry::parse(service.schema, &service.base_url, bundle));
    let (bundle_type, entries) = match parsed {
        Ok(parsed) => parsed,
        // Also what cannot be read leaves its trace.
        Err(error) => return recorded(request, Interaction::Batch, None, None, async { Err(error) }).await,
    };
    match bundle_type {
        BundleType::Batch => recorded(request, Interaction::Batch, None, None, batch::run(request, entries)).await,
        BundleType::Transaction => {
            recorded(request, Interaction::Transaction, None, None, transaction::run(request, entries)).await
        }
    }
}

#[cfg(test)]
mod tests;
