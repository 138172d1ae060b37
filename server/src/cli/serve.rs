//! `vesta serve`: the production start.

use std::sync::Arc;

use clap::Args;

use super::{Context, Failure, SettingsArgs};
use crate::config::{Config, Flag};
use crate::http::{Server, telemetry};

#[derive(Debug, Clone, Args)]
pub(super) struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:9300] [env: VESTA_LISTEN]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Plain HTTP: on a loopback address, or behind a proxy only [env: VESTA_HTTP]
    #[arg(long)]
    http: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl ServeArgs {
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let mut flags = Vec::new();
        if let Some(listen) = &self.listen {
            flags.push(Flag { name: "listen", value: listen.clone() });
        }
        if self.http {
            flags.push(Flag { name: "http", value: "true".to_owned() });
        }
        Ok(self.settings.load(flags)?)
    }
}

pub(super) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let config = args.load()?;
    telemetry::start_log(&config.log);
    for line in config.show().lines() {
        tracing::info!(target: "vesta_server::config", "{line}");
    }
    let server = start(config).await?;
    tracing::info!(address = %server.address(), version = env!("CARGO_PKG_VERSION"), "ready");
    server.run(stop_signal()).await;
    tracing::info!("stopped");
    Ok(())
}

pub(super) async fn start(config: Config) -> Result<Server, Failure> {
    let context = Context::new(config)?;
    Ok(Server::start(Arc::new(context.config), context.folder, context.clock, context.ids).await?)
}

/// Done when the process is asked to stop: SIGTERM, or Ctrl-C.
pub(super) async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
    tracing::info!("stopping: running requests may end");
}
