//! Bulk loading: files of Bundles and NDJSON become items that a site's writer takes in its slow lane.

mod convert;
mod files;
mod run;

pub use convert::{Item, items};
pub use files::{Document, FileError, Input, Inputs, documents, find};
pub use run::{Fault, Origin, Progress, Summary, run, run_documents};
