//! `vesta keys`: the keys that a site signs tokens with. Safe beside running servers: they notice within about a second.

use clap::Args;
use jiff::SignedDuration;
use vesta_oauth::{Dated, IdentityKey, KeyPair, KeyRing, Lifetimes, Rotation, SigningKey};

use super::administration::record;
use super::token::span;
use super::{Context, Failure, SiteArgs, door};
use crate::audit::Event;
use crate::site::{SiteError, exists, rotate_keys, site_keys};

#[derive(Debug, Clone, Args)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// How long the new keys are published before they sign, so that whoever keeps the JWKS for a while knows them
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = span)]
    publish_for: SignedDuration,
    /// How long the keys before verify after that: as long as a token of theirs may be good
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
    keep_for: SignedDuration,
    /// Somebody else may have the keys: what they signed is worth nothing from now on, and everybody logs in again
    #[arg(long, conflicts_with_all = ["publish_for", "keep_for"])]
    compromised: bool,
}

pub(super) async fn rotate(args: &RotateArgs) -> Result<(), Failure> {
    let (door, context) = door::open(&args.site).await?;
    let rotation = match args.compromised {
        true => Rotation::Compromised,
        false => Rotation::Overlap { publish: args.publish_for, keep: args.keep_for },
    };
    if !args.compromised && args.keep_for < Lifetimes::LONGEST_OPERATOR_TOKEN {
        eprintln!(
            "tokens of the keys before that are good for longer than {} after the new ones sign are refused then",
            shown(args.keep_for)
        );
    }
    let (folder, site, now) = (context.folder.clone(), args.site.site.clone(), context.clock.now());
    record(&door, Event::KeysRotated, "vesta-keys", None, None).await?;
    door.close().await;
    // To make an RSA key takes a while.
    let rotated = tokio::task::spawn_blocking(move || rotate_keys(&folder, &site, now, rotation)).await;
    rotated.map_err(|error| Failure::Other(error.to_string()))??;
    show(&context, &args.site)
}

pub(super) fn list(args: &SiteArgs) -> Result<(), Failure> {
    show(&context(args)?, args)
}

fn context(args: &SiteArgs) -> Result<Context, Failure> {
    let context = Context::new(args.settings.load(Vec::new())?)?;
    match exists(&context.config, &context.folder, &args.site) {
        true => Ok(context),
        false => Err(SiteError::Unknown.into()),
    }
}

fn show(context: &Context, args: &SiteArgs) -> Result<(), Failure> {
    let keys = site_keys(&context.folder, &args.site)?;
    lines::<SigningKey>(&keys.access, "ES256", context);
    lines::<IdentityKey>(&keys.identity, "RS256", context);
    Ok(())
}

/// Newest first, as they stand in the file.
fn lines<K: KeyPair>(ring: &KeyRing<K>, algorithm: &str, context: &Context) {
    let now = context.clock.now();
    for (key, signs) in ring.all(now) {
        println!("{algorithm}  {}  {}", key.key.id(), state(key, signs, now));
    }
}

fn state<K>(key: &Dated<K>, signs: bool, now: jiff::Timestamp) -> String {
    let second = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    match (signs, key.signs_from, key.verifies_until) {
        (true, _, None) => "signs".to_owned(),
        (true, _, Some(until)) => format!("signs, and verifies until {}", second(until)),
        (false, Some(from), _) if from > now => format!("signs from {}", second(from)),
        (false, _, Some(until)) if until <= now => format!("verified until {}", second(until)),
        (false, _, Some(until)) => format!("verifies until {}", second(until)),
        (false, _, None) => "verifies".to_owned(),
    }
}

fn shown(span: SignedDuration) -> String {
    format!("{span:#}")
}
