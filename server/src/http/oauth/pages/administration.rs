//! What administrators do: approve and disable clients, look at what they hold, add people and help those who cannot get in.

mod clients;
mod users;

pub(super) use clients::{client, clients};
pub(super) use users::{user, users};
