//! From a route to the function in `fhir` that answers it.

use super::fhir::Call;
use super::route::Interaction;
use crate::fhir::{Answer, Error, Kind};

pub(super) async fn run(interaction: &Interaction<'_>, call: &Call<'_>) -> Result<Answer, Error> {
    let _ = (interaction, call);
    Err(Error::new(Kind::NotSupported, "this interaction is not offered yet"))
}
