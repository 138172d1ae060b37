//! `vesta user`: the people of a site. Safe beside a running server: both work on the same records.

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use vesta_oauth::{NewUser, UpstreamIdentity, User};

use super::administration::Administration;
use super::{Failure, SiteArgs, authorization};

#[derive(Debug, Clone, Args)]
pub(super) struct AddArgs {
    /// What the person logs in with
    username: String,
    #[arg(long, value_enum)]
    role: Role,
    /// The record that is theirs: Patient/ID for a patient, Practitioner/ID for staff
    #[arg(long, value_name = "TYPE/ID")]
    record: Option<String>,
    /// How the person is called [default: the user name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// Read the password from standard input, instead of making one and printing it
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    Patient,
    Staff,
    Administrator,
}

#[derive(Debug, Clone, Args)]
pub(super) struct OneArgs {
    username: String,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct LinkArgs {
    username: String,
    /// The provider's issuer [default: that of the site's upstream provider]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Who the person is there: the claim `sub` of its ID tokens
    #[arg(long, value_name = "TEXT")]
    subject: String,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct UnlinkArgs {
    username: String,
    /// Only identities of this issuer
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Debug, Clone, Args)]
pub(super) struct BreakGlassArgs {
    username: String,
    /// For how many hours the password is good
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=24))]
    hours: i64,
    #[command(flatten)]
    site: SiteArgs,
}

pub(super) async fn add(args: &AddArgs) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let engine = site.engine().await?;
    let given = args.password_stdin.then(read_password).transpose()?;
    let made = given.is_none().then(|| engine.new_password());
    let role = match args.role {
        Role::Patient => vesta_oauth::Role::Patient,
        Role::Staff => vesta_oauth::Role::Staff,
        Role::Administrator => vesta_oauth::Role::Administrator,
    };
    let new = NewUser {
        name: &args.username,
        display_name: args.name.as_deref().unwrap_or(&args.username),
        email: args.email.as_deref(),
        role,
        fhir_user: args.record.as_deref(),
        password: given.as_deref().or(made.as_deref()),
    };
    let user = engine.add_user(&new).await?;
    // Before the password is told.
    site.record_user(&user).await?;
    site.close().await;
    told(made.as_deref(), &format!("added {}", args.username));
    Ok(())
}

pub(super) async fn list(args: &SiteArgs) -> Result<(), Failure> {
    let site = authorization(args).await?;
    for user in site.engine().await?.every_user().await? {
        let role = format!("{:?}", user.role).to_lowercase();
        let state = if user.enabled { "" } else { "  disabled" };
        let record = user.fhir_user.as_deref().unwrap_or("-");
        let linked: String =
            user.upstream.iter().map(|known| format!("  {}={}", known.issuer, known.subject)).collect();
        println!("{:<24}{role:<16}{record:<32}{}{state}{linked}", user.name, user.display_name);
    }
    Ok(())
}

pub(super) async fn set_enabled(args: &OneArgs, enabled: bool) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let user = changed(&site, &args.username).await?;
    site.engine().await?.set_user_enabled(&user.id, enabled).await?;
    site.close().await;
    eprintln!("{} {}", if enabled { "enabled" } else { "disabled, and signed out everywhere:" }, args.username);
    Ok(())
}

/// Lets somebody in who cannot get in: a new password, no second factor, no waiting.
pub(super) async fn reset(args: &OneArgs) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let user = changed(&site, &args.username).await?;
    let engine = site.engine().await?;
    let password = engine.new_password();
    engine.set_password(&user.id, &password, None).await?;
    engine.reset_second_factor(&user.id).await?;
    site.close().await;
    told(Some(&password), &format!("reset {}", args.username));
    Ok(())
}

pub(super) async fn link(args: &LinkArgs) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let engine = site.engine().await?;
    let configured = engine.settings().upstream.as_ref().map(|upstream| upstream.issuer.clone());
    let issuer = args.issuer.clone().or(configured).ok_or_else(|| {
        Failure::Other("the site has no upstream provider (upstream.issuer): name the issuer by --issuer".to_owned())
    })?;
    let identity = UpstreamIdentity { issuer, subject: args.subject.clone() };
    let user = changed(&site, &args.username).await?;
    engine.link_user(&user.id, &identity).await?;
    site.close().await;
    eprintln!("{} is {} at {}", args.username, identity.subject, identity.issuer);
    Ok(())
}

pub(super) async fn unlink(args: &UnlinkArgs) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let user = changed(&site, &args.username).await?;
    let gone = site.engine().await?.unlink_user(&user.id, args.issuer.as_deref()).await?;
    site.close().await;
    eprintln!("took {gone} identities from {}, and signed them out", args.username);
    Ok(())
}

/// When the upstream provider is not to be had and staff has no passwords here.
pub(super) async fn break_glass(args: &BreakGlassArgs) -> Result<(), Failure> {
    let site = Administration::open(&args.site).await?;
    let user = changed(&site, &args.username).await?;
    let engine = site.engine().await?;
    let password = engine.new_password();
    engine.break_glass(&user.id, &password, SignedDuration::from_hours(args.hours)).await?;
    site.close().await;
    eprintln!("{} may sign in for {} h with this password, which is told this once:", args.username, args.hours);
    println!("{password}");
    Ok(())
}

/// The user of that name; that they are changed is recorded.
async fn changed(site: &Administration, name: &str) -> Result<User, Failure> {
    let user = site.engine().await?.user_by_name(name).await?;
    let user = user.ok_or_else(|| Failure::Other(format!("there is no user {name}: `vesta user list` shows all")))?;
    site.record_user(&user).await?;
    Ok(user)
}

/// The password alone on standard output: it is told this once.
fn told(password: Option<&str>, what: &str) {
    match password {
        Some(password) => {
            eprintln!("{what}; the password, which is told this once and should be changed at the first log-in:");
            println!("{password}");
        }
        None => eprintln!("{what}"),
    }
}

fn read_password() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::Other(format!("the password cannot be read from standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
