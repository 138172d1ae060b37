//! `vesta check`.

use clap::Args;

use super::{Failure, SiteArgs};

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = args.site.settings.load(Vec::new())?;
    let place = super::Context::new(config)?.folder.path().display().to_string();
    Err(Failure::Other(format!("check is not offered yet (site {} in {place})", args.site.site)))
}
