//! `vesta export`.

use clap::Args;

use super::{Failure, SiteArgs};

#[derive(Debug, Clone, Args)]
pub(super) struct ExportArgs {
    /// The folder to write to; it is made if it is not there
    #[arg(value_name = "FOLDER")]
    pub(super) folder: std::path::PathBuf,
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ExportArgs) -> Result<(), Failure> {
    let config = args.site.settings.load(Vec::new())?;
    let place = super::Context::new(config)?.folder.path().display().to_string();
    Err(Failure::Other(format!("export is not offered yet (site {} in {place})", args.site.site)))
}
