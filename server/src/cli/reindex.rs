//! `vesta reindex`.

use clap::Args;

use super::{Failure, SiteArgs};

#[derive(Debug, Clone, Args)]
pub(super) struct ReindexArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ReindexArgs) -> Result<(), Failure> {
    let config = args.site.settings.load(Vec::new())?;
    let place = super::Context::new(config)?.folder.path().display().to_string();
    Err(Failure::Other(format!("reindex is not offered yet (site {} in {place})", args.site.site)))
}
