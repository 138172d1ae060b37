//! `vesta config show`.

use super::{Failure, SettingsArgs};

pub(super) fn show(args: &SettingsArgs) -> Result<(), Failure> {
    print!("{}", args.load(Vec::new())?.show());
    Ok(())
}
