//! The limit of what poem can answer: a fixed body of an Observation's size, nothing done for it.

use poem::listener::TcpListener;
use poem::{Route, Server, get, handler};

use crate::{Outcome, data};

#[handler]
fn answer() -> poem::Response {
    static BODY: std::sync::LazyLock<bytes::Bytes> = std::sync::LazyLock::new(|| data::observation(1, 1).into());
    poem::Response::builder().content_type("application/fhir+json").body(BODY.clone())
}

/// Serves it on `address` until the process is ended.
pub(crate) fn serve(address: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let route = Route::new().at("/*path", get(answer));
    Ok(runtime.block_on(Server::new(TcpListener::bind(address.to_owned())).run(route))?)
}
