//! What a test starts from: a [`World`] with a database, a running server and a client.

mod client;
mod database;
mod process;
mod samples;
mod wire;
mod world;

pub(crate) use client::{Answer, Client, encode, link, matches};
pub(crate) use database::{Database, Postgres};
pub(crate) use process::{Vesta, command, free_port, vesta, wait_until};
pub(crate) use samples::{shared, skip};
pub(crate) use wire::{Balancer, Wire};
pub(crate) use world::{Token, World, runtime};

/// The same test on both databases: `on_both_databases! { fn name(world) { … } }` makes `name::on_sqlite` and
/// `name::on_postgresql`. What stands before the function is its documentation.
macro_rules! on_both_databases {
    ($($(#[$documentation:meta])* fn $name:ident($world:ident) $body:block)*) => { $(
        $(#[$documentation])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of its module")]
            use super::*;

            fn behaviour($world: &crate::harness::World) $body

            #[test]
            fn on_sqlite() {
                behaviour(&crate::harness::World::on_sqlite());
            }

            #[test]
            fn on_postgresql() {
                if let Some(world) = crate::harness::World::on_postgresql() {
                    behaviour(&world);
                }
            }
        }
    )* };
}
