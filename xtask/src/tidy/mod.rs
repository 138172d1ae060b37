//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows, as code. One file a kind of
//! rule; each takes the texts and returns what it found.

mod licences;
mod links;
mod manifests;
mod rust;
mod snapshots;
mod texts;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Outcome, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {}

/// A file of the repository that is text.
struct Text {
    path: PathBuf,
    content: String,
}

impl Text {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }

    /// Whether `cargo xtask codegen` or `cargo xtask spec` wrote it.
    fn is_generated(&self) -> bool {
        self.content.lines().take(3).any(|line| line.contains("do not edit by hand"))
    }
}

/// A rule that does not hold, and where.
#[derive(Debug)]
struct Finding {
    path: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

pub(crate) fn run(_: Args) -> Outcome {
    let files = check()?;
    println!("{files} files are tidy");
    Ok(())
}

/// Checks every rule; returns how many files were read.
pub(crate) fn check() -> Outcome<usize> {
    let texts = read(&workspace::files()?)?;
    let mut findings = texts::check(&texts);
    findings.extend(rust::check(&texts));
    findings.extend(links::check(&texts));
    findings.extend(manifests::check(&texts)?);
    findings.extend(snapshots::check(&texts));
    findings.extend(licences::check()?);
    findings.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() { Ok(texts.len()) } else { Err(format!("tidy: {} findings", findings.len()).into()) }
}

fn read(paths: &[PathBuf]) -> Outcome<Vec<Text>> {
    let mut texts = Vec::new();
    for path in paths {
        let bytes = std::fs::read(workspace::root().join(path))?;
        // What is not UTF-8 is an archive or an image.
        if let Ok(content) = String::from_utf8(bytes) {
            texts.push(Text { path: path.clone(), content });
        }
    }
    Ok(texts)
}

/// Whether the file lies below the folder.
fn is_below(text: &Text, folder: &str) -> bool {
    text.path.starts_with(Path::new(folder))
}

#[cfg(test)]
fn text(path: &str, content: &str) -> Text {
    Text { path: path.into(), content: content.into() }
}
