//! The command line: what each command takes, and where it goes. A command's body has a file of its own.

mod administration;
mod audit;
mod check;
mod client;
mod config;
mod demo;
mod door;
mod export;
mod import;
mod keys;
mod ndjson;
mod reindex;
mod serve;
mod site;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use vesta_oauth::{ClientState, OAuthError};

use crate::access::SigningKeyError;
use crate::clock::{Clock, Ids};
use crate::config::{Config, ConfigError, Flag, SiteName, Sources};
use crate::http::StartError;
use crate::site::{Authorization, DataFolder, FolderError, SiteError, open_authorization};

/// Vesta: a health-record API server, FHIR R4 with US Core.
#[derive(Debug, Parser)]
#[command(name = "vesta", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start with demo patients, to look around: prints addresses, a token and a first request.
    Demo(demo::DemoArgs),
    /// Start the server.
    Serve(serve::ServeArgs),
    /// Access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Load Bundles and NDJSON, plain or gzipped. Safe beside a running server, and safe to run again.
    Import(import::ImportArgs),
    /// Write all resources as NDJSON, a file a type.
    Export(export::ExportArgs),
    /// Finish now what re-indexing is pending, instead of in the background.
    Reindex(reindex::ReindexArgs),
    /// Compare the search index with the stored resources.
    Check(check::CheckArgs),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The sites of this server.
    #[command(subcommand)]
    Site(SiteCommand),
    /// The people who log in.
    #[command(subcommand)]
    User(UserCommand),
    /// The apps and services that are let at records.
    #[command(subcommand)]
    Client(ClientCommand),
    /// The keys that tokens are signed with.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Sign an access token with the site's key, and print it alone.
    Create(token::CreateArgs),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Find entries that were changed, taken out or cut off. Safe beside a running server.
    Verify(audit::VerifyArgs),
    /// Write the log as AuditEvents, one a line, oldest first. Safe beside a running server; is itself recorded.
    Export(audit::ExportArgs),
}

#[derive(Debug, Subcommand)]
enum SiteCommand {
    /// Print the names of the sites, with their addresses.
    List(SettingsArgs),
    /// Make a site: its folder and its key.
    Create(site::CreateArgs),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Print user names, roles and records.
    List(SiteArgs),
    /// Add a person; prints a password.
    Add(user::AddArgs),
    /// Let nobody log in as this user, and end all sessions and grants.
    Disable(user::OneArgs),
    Enable(user::OneArgs),
    /// A new password, and no second factor, for who cannot get in.
    Reset(user::OneArgs),
    /// Let a person log in at the upstream provider as this user.
    Link(user::LinkArgs),
    Unlink(user::UnlinkArgs),
    /// A password for an administrator, good for some hours, where staff logs in at the upstream provider only.
    BreakGlass(user::BreakGlassArgs),
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Print ids, states and names.
    List(SiteArgs),
    /// Register a client from its metadata; prints its id, and its secret once.
    Add(client::AddArgs),
    /// Let a client be used that waits for it.
    Approve(client::OneArgs),
    /// Let a client be used no more, and revoke all that it holds.
    Disable(client::OneArgs),
    Delete(client::OneArgs),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Print each key's algorithm, id and state, the newest first.
    List(SiteArgs),
    /// Replace both keys: the new ones are published, then sign; those before verify until their last token is over.
    Rotate(keys::RotateArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting with its value and where that came from; secrets are masked.
    Show(SettingsArgs),
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArgs {
    /// The configuration file [default: vesta.toml, if it is there] [env: VESTA_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder: keys, certificates, databases [default: ./data] [env: VESTA_DATA]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// A PostgreSQL database instead of SQLite in the data folder [env: VESTA_DATABASE]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// What commands on one site take.
#[derive(Debug, Clone, Args)]
pub struct SiteArgs {
    /// The site
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub site: SiteName,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

impl SettingsArgs {
    /// The configuration with these flags on top, and with `more` of a command's own.
    pub fn load(&self, more: Vec<Flag>) -> Result<Config, ConfigError> {
        let own = [("data", &self.data), ("database", &self.database)];
        let own = own.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value.clone()? }));
        Config::load(&Sources::from_environment(self.config.clone(), own.chain(more).collect()))
    }
}

/// What a command runs with.
pub struct Context {
    pub config: Config,
    pub folder: DataFolder,
    pub clock: Clock,
    pub ids: Ids,
}

impl Context {
    pub fn new(config: Config) -> Result<Context, Failure> {
        let folder = DataFolder::open(&config.data)?;
        Ok(Context { config, folder, clock: Clock::system(), ids: Ids::system() })
    }
}

/// Why a command did not do its work, in words for whoever gave it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    #[error("{0}")]
    Other(String),
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Failure {
        Failure::Other(error.description.into_owned())
    }
}

/// The site's authorization server, for commands about people and clients.
async fn authorization(args: &SiteArgs) -> Result<Authorization, Failure> {
    let context = Context::new(args.settings.load(Vec::new())?)?;
    Ok(open_authorization(&context.config, &context.folder, &args.site, context.clock).await?)
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Other(format!("cannot start: {error}"))),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {failure}");
    ExitCode::FAILURE
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args).await,
        Command::Serve(args) => serve::run(&args).await,
        Command::Token(TokenCommand::Create(args)) => token::create(&args),
        Command::Import(args) => import::run(&args).await,
        Command::Export(args) => export::run(&args).await,
        Command::Reindex(args) => reindex::run(&args).await,
        Command::Check(args) => check::run(&args).await,
        Command::Audit(AuditCommand::Verify(args)) => audit::verify(&args).await,
        Command::Audit(AuditCommand::Export(args)) => audit::export(&args).await,
        Command::Site(SiteCommand::List(args)) => site::list(&args),
        Command::Site(SiteCommand::Create(args)) => site::create(&args),
        Command::User(UserCommand::List(args)) => user::list(&args).await,
        Command::User(UserCommand::Add(args)) => user::add(&args).await,
        Command::User(UserCommand::Disable(args)) => user::set_enabled(&args, false).await,
        Command::User(UserCommand::Enable(args)) => user::set_enabled(&args, true).await,
        Command::User(UserCommand::Reset(args)) => user::reset(&args).await,
        Command::User(UserCommand::Link(args)) => user::link(&args).await,
        Command::User(UserCommand::Unlink(args)) => user::unlink(&args).await,
        Command::User(UserCommand::BreakGlass(args)) => user::break_glass(&args).await,
        Command::Client(ClientCommand::List(args)) => client::list(&args).await,
        Command::Client(ClientCommand::Add(args)) => client::add(&args).await,
        Command::Client(ClientCommand::Approve(args)) => client::set_state(&args, ClientState::Enabled).await,
        Command::Client(ClientCommand::Disable(args)) => client::set_state(&args, ClientState::Disabled).await,
        Command::Client(ClientCommand::Delete(args)) => client::delete(&args).await,
        Command::Keys(KeysCommand::List(args)) => keys::list(&args),
        Command::Keys(KeysCommand::Rotate(args)) => keys::rotate(&args).await,
        Command::Config(ConfigCommand::Show(args)) => config::show(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    /// Other people's scripts rely on these names.
    #[test]
    fn the_names_that_others_rely_on_are_taken() {
        for line in [
            "vesta demo --listen 127.0.0.1:9300 --data d --http --database postgres://h/d",
            "vesta demo --patients 1000 --seed 7 --write out",
            "vesta serve --listen 127.0.0.1:9300 --data d --http --database postgres://h/d",
            "vesta token create --site default --scope user/*.rs --patient 1 --ttl 300 --data d --database postgres://h/d",
            "vesta import --site default --data d --database postgres://h/d a.json b",
            "vesta export --site default --data d --database postgres://h/d out",
            "vesta reindex --site default --data d --database postgres://h/d",
            "vesta check --site default --data d --database postgres://h/d",
            "vesta audit verify --site default --data d --database postgres://h/d --head -",
            "vesta audit export out.ndjson --since 2026-01-01T00:00:00Z --until 2026-02-01T00:00:00Z --codes --data d",
            "vesta audit export -",
            "vesta site list --data d",
            "vesta site create north --data d",
            "vesta config show --data d",
            "vesta user list --site default --data d",
            "vesta user add ann --role patient --record Patient/1 --name Ann --data d",
            "vesta user disable ann",
            "vesta user enable ann",
            "vesta user reset ann",
            "vesta user link ann --issuer https://login.example.org --subject 24400320",
            "vesta user unlink ann --issuer https://login.example.org",
            "vesta user break-glass ann --hours 2",
            "vesta client list --site default --data d",
            "vesta client add client.json --data d",
            "vesta client approve abc",
            "vesta client disable abc",
            "vesta client delete abc",
            "vesta keys list --site default --data d",
            "vesta keys rotate --publish-for 10m --keep-for 24h --data d",
            "vesta keys rotate --compromised",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
