//! The engine as its callers see it, and as those who attack it: a test is named by the attack or by the rule. The clock
//! is moved by hand, and what is kept is kept in memory.

mod authorize;
mod clients;
mod code;
mod consent;
mod discovery;
mod introspection;
mod launch;
mod people;
mod properties;
mod refresh;
mod registration;
mod tokens;
mod upstream;
mod world;
