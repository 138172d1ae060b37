//! How long what the authorization server gives out is good for. The bounds are those of the standards where they have any.

use jiff::SignedDuration;
use vesta_oauth::Lifetimes;

use super::Setting;
use crate::config::source::Raw;

const DAY: i64 = 24 * 3600;

impl Raw {
    /// In seconds, or in days of so many.
    fn span(&self, shortest: i64, longest: i64, unit: i64) -> Option<SignedDuration> {
        let within = usize::try_from(shortest / unit).ok()?..=usize::try_from(longest / unit).ok()?;
        Some(SignedDuration::from_secs(i64::try_from(self.integer(within)?).ok()? * unit))
    }
}

pub(super) const LIFETIMES: &[Setting] = &[
    Setting {
        name: "oauth.token_seconds",
        expected: "expected a number of seconds from 60 to 3600: an access token is good for an hour at most",
        secret: false,
        set: |config, raw| {
            raw.span(60, Lifetimes::LONGEST_TOKEN.as_secs(), 1).map(|value| config.oauth.lifetimes.token = value)
        },
        show: |config| config.oauth.lifetimes.token.as_secs().to_string(),
    },
    Setting {
        name: "oauth.service_token_seconds",
        expected: "expected a number of seconds from 30 to 300: a backend service's token is good for five minutes at most (SMART App Launch)",
        secret: false,
        set: |config, raw| {
            raw.span(30, Lifetimes::LONGEST_SERVICE_TOKEN.as_secs(), 1)
                .map(|value| config.oauth.lifetimes.service_token = value)
        },
        show: |config| config.oauth.lifetimes.service_token.as_secs().to_string(),
    },
    Setting {
        name: "oauth.offline_days",
        expected: "expected a number of days from 92 to 3660: offline access lasts three months at least (45 CFR 170.315(g)(10)), and is renewed with each use",
        secret: false,
        set: |config, raw| {
            raw.span(Lifetimes::SHORTEST_OFFLINE.as_secs(), 3660 * DAY, DAY)
                .map(|value| config.oauth.lifetimes.offline = value)
        },
        show: |config| (config.oauth.lifetimes.offline.as_secs() / DAY).to_string(),
    },
    Setting {
        name: "oauth.session_idle_seconds",
        expected: "expected a number of seconds from 60 to 86400: then whoever has not used the pages signs in again",
        secret: false,
        set: |config, raw| raw.span(60, DAY, 1).map(|value| config.oauth.lifetimes.session_idle = value),
        show: |config| config.oauth.lifetimes.session_idle.as_secs().to_string(),
    },
    Setting {
        name: "oauth.session_seconds",
        expected: "expected a number of seconds from 300 to 604800: then everybody signs in again",
        secret: false,
        set: |config, raw| raw.span(300, 7 * DAY, 1).map(|value| config.oauth.lifetimes.session = value),
        show: |config| config.oauth.lifetimes.session.as_secs().to_string(),
    },
    Setting {
        name: "oauth.code_seconds",
        expected: "expected a number of seconds from 10 to 600: an authorization code is good for ten minutes at most (RFC 6749)",
        secret: false,
        set: |config, raw| {
            raw.span(10, Lifetimes::LONGEST_CODE.as_secs(), 1).map(|value| config.oauth.lifetimes.code = value)
        },
        show: |config| config.oauth.lifetimes.code.as_secs().to_string(),
    },
    Setting {
        name: "oauth.interaction_seconds",
        expected: "expected a number of seconds from 60 to 86400: the time that a person may take to sign in and to consent",
        secret: false,
        set: |config, raw| raw.span(60, DAY, 1).map(|value| config.oauth.lifetimes.interaction = value),
        show: |config| config.oauth.lifetimes.interaction.as_secs().to_string(),
    },
    Setting {
        name: "oauth.launch_seconds",
        expected: "expected a number of seconds from 10 to 3600: the time that an app may take to begin after it was launched",
        secret: false,
        set: |config, raw| raw.span(10, 3600, 1).map(|value| config.oauth.lifetimes.launch = value),
        show: |config| config.oauth.lifetimes.launch.as_secs().to_string(),
    },
];
