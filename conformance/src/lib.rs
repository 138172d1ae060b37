//! Checks of a FHIR server from outside: sample resources are read from the published files, and what the server must
//! answer is worked out from them by a reading of its own. Nothing here comes from the server's crates, or a mistake
//! in how those read the standard would be made twice and found never.

pub mod case;
pub mod client;
pub mod compare;
pub mod coverage;
pub mod data;
pub mod guide;
pub mod item;
pub mod party;
pub mod profile;
pub mod queries;
pub mod report;
pub mod requirements;
pub mod resources;
pub mod run;
pub mod samples;
pub mod schema;
pub mod suite;
mod time;
