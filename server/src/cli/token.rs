//! `vesta token create`: an operator's command, for whoever may read the site's signing key. Safe beside a running
//! server: it only reads the key.

use clap::Args;
use jiff::SignedDuration;
use vesta_oauth::Lifetimes;

use super::{Context, Failure, SiteArgs};
use crate::access::{Level, NewToken, parse_scopes};
use crate::clock::{Clock, Ids};
use crate::config::SiteName;
use crate::site::{Addresses, DataFolder, SiteError, exists, issue, known_public_url};

#[derive(Debug, Clone, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// SMART scopes, separated by spaces [default: user/*.cruds, or patient/*.rs with --patient]
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The logical id of the patient in context; patient/ scopes need one
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// How long it is good for: seconds, or 15m, 8h (24h at most)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    ttl: SignedDuration,
}

fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let within = |time: &SignedDuration| time.as_secs() >= 1 && *time <= Lifetimes::LONGEST_OPERATOR_TOKEN;
    let expected = || "expected seconds, or a time such as 15m or 8h, of at most 24h".to_owned();
    span(text).ok().filter(within).ok_or_else(expected)
}

/// A time of at most a year.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    let parsed = match text.parse::<u32>() {
        Ok(seconds) => Some(SignedDuration::from_secs(seconds.into())),
        Err(_) => text.parse().ok(),
    };
    parsed
        .filter(|time: &SignedDuration| !time.is_negative() && *time <= SignedDuration::from_hours(24 * 366))
        .ok_or_else(|| "expected seconds, or a time such as 15m or 8h".to_owned())
}

pub(super) fn create(args: &CreateArgs) -> Result<(), Failure> {
    let config = args.site.settings.load(Vec::new())?;
    let context = Context::new(config)?;
    let site = &args.site.site;
    if !exists(&context.config, &context.folder, site) {
        return Err(SiteError::Unknown.into());
    }
    let scope = args.scope.as_deref().unwrap_or(match args.patient {
        Some(_) => "patient/*.rs",
        None => "user/*.cruds",
    });
    let scopes = parse_scopes(scope).map_err(|error| Failure::Other(error.to_string()))?;
    let has = |level| scopes.iter().any(|scope| scope.level == level);
    if has(Level::Patient) && args.patient.is_none() {
        return Err(Failure::Other("patient/ scopes need a patient: add --patient ID".to_owned()));
    }
    if has(Level::System) && !context.config.apis.system_scopes {
        let place = context.config.origin("apis.system_scopes");
        return Err(Failure::Other(format!("system/ scopes are switched off (apis.system_scopes, {place})")));
    }
    let addresses = Addresses::new(site, &known_public_url(&context.config, &context.folder, site)?);
    let request =
        TokenRequest { site, addresses: &addresses, scope, patient: args.patient.as_deref(), lifetime: args.ttl };
    let token = sign(&context.folder, &request, &context.clock, &context.ids)?;
    // The token alone on standard output: it is meant for $(…).
    println!("{token}");
    Ok(())
}

pub(super) struct TokenRequest<'a> {
    pub(super) site: &'a SiteName,
    pub(super) addresses: &'a Addresses,
    pub(super) scope: &'a str,
    pub(super) patient: Option<&'a str>,
    pub(super) lifetime: SignedDuration,
}

pub(super) fn sign(
    folder: &DataFolder,
    request: &TokenRequest<'_>,
    clock: &Clock,
    ids: &Ids,
) -> Result<String, Failure> {
    let token = NewToken {
        issuer: &request.addresses.issuer,
        audience: &request.addresses.fhir_base,
        subject: "operator",
        client_id: "vesta-token-create",
        scope: request.scope,
        patient: request.patient,
        encounter: None,
        fhir_user: None,
        grant: None,
        roles: &[],
        now: clock.now(),
        lifetime: request.lifetime,
        id: ids.next(),
    };
    Ok(issue(folder, request.site, &token)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_seconds_or_a_time_with_its_unit() {
        assert_eq!(lifetime("300"), Ok(SignedDuration::from_secs(300)));
        assert_eq!(lifetime("15m"), Ok(SignedDuration::from_mins(15)));
        assert_eq!(lifetime("24h"), Ok(Lifetimes::LONGEST_OPERATOR_TOKEN));
        for bad in ["0", "", "-5m", "25h", "soon", "100000"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
