//! How a command gets at a site's data: through the server that has them, or by opening them itself.

use super::{Context, Failure, SiteArgs};
use crate::maintenance::{Answer, Door};
use crate::site::{Addresses, Databases, SiteError, exists, known_public_url, open_service};

/// The door to the site of the arguments, and the context it was found in.
pub(super) async fn open(args: &SiteArgs) -> Result<(Door, Context), Failure> {
    let context = Context::new(args.settings.load(Vec::new())?)?;
    let site = &args.site;
    if !exists(&context.config, &context.folder, site) {
        return Err(SiteError::Unknown.into());
    }
    let databases = Databases::connect(&context.config).await?;
    // PostgreSQL takes any number of processes; a data folder has one writer.
    if matches!(databases, Databases::Sqlite)
        && let Some(door) = Door::beside(&context.folder.site(site)).await
    {
        return Ok((door, context));
    }
    let addresses = Addresses::new(site, &known_public_url(&context.config, &context.folder, site)?);
    let (clock, ids) = (context.clock.clone(), context.ids.clone());
    let config = &context.config;
    let services = open_service(&databases, &context.folder, config, site, &addresses.fhir_base, clock, ids).await?;
    Ok((Door::Own(services), context))
}

/// A failure in the words of whoever did the work.
pub(super) fn unexpected(answer: Answer) -> Failure {
    match answer {
        Answer::Failed(reason) => Failure::Other(reason),
        other => Failure::Other(format!("an answer to another question: {other:?}")),
    }
}
