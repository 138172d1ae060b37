//! Vesta, the server: FHIR R4 over HTTP on SQLite or PostgreSQL, compiled from the specification.
//!
//! One room a concern; ARCHITECTURE.md has the map and the way a request takes through it.

pub mod access;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fetch;
pub mod fhir;
pub mod http;
pub mod import;
pub mod maintenance;
pub mod search;
pub mod site;
pub mod store;
pub mod terminology;
pub mod validate;
