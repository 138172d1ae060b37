//! Installing what the tests need, where that is ours to do: on Debian and its children, as root.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, workspace};

/// Installs the packages, or fails with what a person has to install elsewhere.
pub(crate) fn install(what: &str, packages: &[&str], elsewhere: &str) -> Outcome {
    if !Path::new("/etc/debian_version").exists() || !is_root()? {
        return Err(elsewhere.into());
    }
    println!("installing {what} (apt-get install {})", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Run level 1 keeps a package from starting a server of its own.
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").stdin(Stdio::null());
        workspace::output(command)
    };
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

pub(crate) fn is_root() -> Outcome<bool> {
    let mut command = Command::new("id");
    command.arg("-u");
    Ok(workspace::output(command)?.trim() == "0")
}
