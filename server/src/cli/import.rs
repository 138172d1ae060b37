//! `vesta import`.

use clap::Args;

use super::{Failure, SiteArgs};

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArgs {
    /// Files (.json, .ndjson, .gz) or folders of them
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    pub(super) paths: Vec<std::path::PathBuf>,
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ImportArgs) -> Result<(), Failure> {
    let config = args.site.settings.load(Vec::new())?;
    let place = super::Context::new(config)?.folder.path().display().to_string();
    Err(Failure::Other(format!("import is not offered yet (site {} in {place})", args.site.site)))
}
