//! `vesta site`: which sites there are, and new ones.

use clap::Args;

use super::{Context, Failure, SettingsArgs};
use crate::config::SiteName;
use crate::site::{Addresses, access_keys, known_public_url, remember_public_url};

#[derive(Debug, Clone, Args)]
pub(super) struct CreateArgs {
    /// Lower-case letters, digits and hyphens, a letter first
    name: SiteName,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(super) fn list(args: &SettingsArgs) -> Result<(), Failure> {
    let context = Context::new(args.load(Vec::new())?)?;
    let mut names: Vec<SiteName> = context.config.sites.keys().cloned().chain(context.folder.sites()).collect();
    names.sort();
    names.dedup();
    for name in names {
        match known_public_url(&context.config, &context.folder, &name) {
            Ok(url) => println!("{name}  {}", Addresses::new(&name, &url).fhir_base),
            Err(_) => println!("{name}  (no public_url)"),
        }
    }
    Ok(())
}

pub(super) fn create(args: &CreateArgs) -> Result<(), Failure> {
    let context = Context::new(args.settings.load(Vec::new())?)?;
    let name = &args.name;
    if context.folder.site(name).is_dir() {
        return Err(Failure::Other(format!("site {name} is there already")));
    }
    let url = known_public_url(&context.config, &context.folder, name)?;
    access_keys(&context.folder, name)?;
    remember_public_url(&context.folder, name, &url)?;
    eprintln!("made site {name}; a running server serves it from now on");
    println!("{}", Addresses::new(name, &url).fhir_base);
    Ok(())
}
