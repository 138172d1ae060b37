//! `vesta client`: the apps and services of a site. Safe beside a running server.

use std::path::PathBuf;

use clap::Args;
use vesta_oauth::ClientState;

use super::administration::Administration;
use super::{Failure, SiteArgs, authorization};
use crate::audit::Event;

#[derive(Debug, Clone, Args)]
pub(super) struct AddArgs {
    /// A file with the client's metadata as JSON, as for registration (RFC 7591); `-` for standard input
    file: PathBuf,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct OneArgs {
    client_id: String,
    #[command(flatten)]
    site: SiteArgs,
}

/// An administrator's client may be used at once.
pub(super) async fn add(args: &AddArgs) -> Result<(), Failure> {
    let text = match args.file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(&args.file),
    };
    let place = args.file.display();
    let text = text.map_err(|error| Failure::Other(format!("{place} cannot be read: {error}")))?;
    let metadata =
        serde_json::from_str(&text).map_err(|error| Failure::Other(format!("{place} is not JSON: {error}")))?;
    let site = Administration::open(&args.site).await?;
    let registered = site.engine().await?.register_as(&metadata, Some(ClientState::Enabled)).await?;
    // Before the secret is told.
    site.record_client(Event::ClientRegistered, &registered.client.id).await?;
    site.close().await;
    println!("{:#}", registered.body);
    Ok(())
}

pub(super) async fn list(args: &SiteArgs) -> Result<(), Failure> {
    let site = authorization(args).await?;
    for client in site.engine().await?.every_client().await? {
        let state = format!("{:?}", client.state).to_lowercase();
        println!("{:<26}{state:<10}{:<22}{}", client.id, client.auth_method.as_str(), client.name);
    }
    Ok(())
}

pub(super) async fn set_state(args: &OneArgs, state: ClientState) -> Result<(), Failure> {
    let event = if state == ClientState::Enabled { Event::ClientEnabled } else { Event::ClientDisabled };
    let site = changed(args, event).await?;
    site.engine().await?.set_client_state(&args.client_id, state).await?;
    site.close().await;
    eprintln!("{} is {}", args.client_id, format!("{state:?}").to_lowercase());
    Ok(())
}

pub(super) async fn delete(args: &OneArgs) -> Result<(), Failure> {
    let site = changed(args, Event::ClientDisabled).await?;
    site.engine().await?.delete_client(&args.client_id).await?;
    site.close().await;
    eprintln!("deleted {}, with all that it was granted", args.client_id);
    Ok(())
}

/// The site, where it is recorded that this client of it is changed.
async fn changed(args: &OneArgs, event: Event) -> Result<Administration, Failure> {
    let site = Administration::open(&args.site).await?;
    let id = &args.client_id;
    if site.engine().await?.client(id).await?.is_none() {
        return Err(Failure::Other(format!("there is no client {id}: `vesta client list` shows all")));
    }
    site.record_client(event, id).await?;
    Ok(site)
}
