//! End-to-end tests: the real server over real sockets, each test with its own data, on SQLite and on PostgreSQL.
//! `routes/` mirrors the paths of the API; the other modules are named by what they hold the server to.

#[macro_use]
mod harness;

mod authorization;
mod commands;
mod conformance;
mod crash;
mod demo;
mod granular;
mod oauth;
mod outage;
mod own_parameters;
mod paging;
mod processes;
mod real_input;
mod routes;
mod upgrade;
