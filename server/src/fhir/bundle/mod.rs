//! Batch and transaction, and a history that is done again. <https://hl7.org/fhir/R4/http.html#transaction>

mod batch;
mod conditional_references;
mod entry;
mod history;
mod links;
mod load;
mod matches;
mod named;
mod plan;
mod respond;
mod transaction;

pub use load::{Prepared, Put, prepare, write};

use super::answer::Answer;
use super::audit::{Interaction, recorded};
use super::outcome::{Error, Kind};
use super::service::{Request, parse_json};
use entry::BundleType;

/// Does all that the entries of a Bundle ask for: of a batch each for itself, of a transaction all or nothing.
pub async fn bundle(request: &Request<'_>, body: &[u8]) -> Result<Answer, Error> {
    let service = request.service;
    let read = || {
        let (bundle_type, entries) = entry::parse(service.schema, &service.base_url, parse_json(body)?)?;
        let (count, most) = (entries.len(), service.store.limits().unit_operations);
        if count > most {
            let text = format!("The Bundle has {count} entries, {most} are the limit here: send it in parts.");
            return Err(Error::new(Kind::TooLarge, text));
        }
        Ok((bundle_type, entries))
    };
    let (bundle_type, entries) = match read() {
        Ok(read) => read,
        // Also what cannot be read leaves its trace.
        Err(error) => return recorded(request, Interaction::Batch, None, None, async { Err(error) }).await,
    };
    match bundle_type {
        BundleType::Batch => recorded(request, Interaction::Batch, None, None, batch::run(request, entries)).await,
        BundleType::History => recorded(request, Interaction::Batch, None, None, history::run(request, entries)).await,
        BundleType::Transaction => {
            recorded(request, Interaction::Transaction, None, None, transaction::run(request, entries)).await
        }
    }
}

#[cfg(test)]
mod tests;
