//! Bulk loading: files of Bundles and NDJSON become units for the store's writer.

mod convert;
mod files;

pub use convert::{Entry, Item, items};
pub use files::{Document, FileError, Input, Inputs, documents, find};
