//! Giving out what is stored, piece by piece, in the order of the keys: each resource once, as it is when its piece is
//! read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::fhir::Service;

/// Resources a piece.
const COUNT: u64 = 1_000;

/// Some resources of a type.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// The stored texts, one a line.
    pub lines: String,
    pub count: u64,
    /// Where the next piece begins; none after the last.
    pub next: Option<i64>,
}

pub(super) async fn chunk(service: &Arc<Service>, resource_type: &str, after: i64) -> Answer {
    let Some(entry) = service.parameters.entry(resource_type) else {
        return Answer::Failed(format!("{resource_type} is no resource type of R4"));
    };
    let page = match service.store.walk(entry.number, after, COUNT).await {
        Ok(page) => page,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let next = if page.len() as u64 == COUNT { page.last().map(|stored| stored.key) } else { None };
    let (mut lines, mut count) = (String::new(), 0);
    for stored in page.iter().filter(|stored| !stored.deleted) {
        // What is stored is one line: it was written by a serializer.
        lines.push_str(&String::from_utf8_lossy(&stored.body));
        lines.push('\n');
        count += 1;
    }
    Answer::Chunk(Chunk { lines, count, next })
}
