//! Writes every page in its states as files, to be looked at:
//!
//!     cargo run -p vesta-pages --example gallery -- FOLDER

#[path = "../tests/pages/fixtures/mod.rs"]
mod fixtures;

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("name the folder that the pages shall be written to"))?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("style.css"), vesta_pages::STYLESHEET)?;
    fs::write(folder.join("icon.svg"), vesta_pages::ICON)?;
    for (name, html) in fixtures::pages() {
        fs::write(folder.join(format!("{name}.html")), html)?;
    }
    let folder = folder.join("sample-app");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("app.js"), vesta_pages::sample_app::SCRIPT)?;
    fs::write(folder.join("app.css"), vesta_pages::sample_app::STYLESHEET)?;
    for (name, html) in fixtures::sample_app() {
        fs::write(folder.join(format!("{name}.html")), html)?;
    }
    Ok(())
}
