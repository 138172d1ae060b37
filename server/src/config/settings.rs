//! Every setting, declared once: its name, what it takes, how it is set and how it is shown.

mod lifetimes;

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use vesta_oauth::PasswordGrant;

use lifetimes::LIFETIMES;

use super::source::{Given, Raw};
use super::{Config, Guide, LogFormat, Place, Problem, SearchHandling, sites};

/// A setting of the server, or of what else has some: a site.
pub(super) struct Setting<T = Config> {
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
    /// The value may hold a secret: it is never repeated in a message.
    pub(super) secret: bool,
    /// None where the value is not what is expected.
    pub(super) set: fn(&mut T, &Raw) -> Option<()>,
    /// Empty where it is not set.
    pub(super) show: fn(&T) -> String,
}

/// What was given, where it may be repeated, and what would be right.
pub(super) type Wrong = (Option<String>, String);

impl<T> Setting<T> {
    pub(super) fn apply(&self, to: &mut T, raw: &Raw) -> Result<(), Wrong> {
        let wrong = || ((!self.secret).then(|| raw.to_string()), self.expected.to_owned());
        (self.set)(to, raw).ok_or_else(wrong)
    }
}

pub(super) const EXPECTED_NETWORKS: &str =
    "expected a list of addresses or networks, such as [\"10.0.0.5\", \"192.168.0.0/16\"]";

/// An address is a network of one.
pub(super) fn networks(raw: &Raw) -> Option<Vec<IpNet>> {
    let network = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()));
    raw.list()?.iter().map(|text| network(text)).collect()
}

/// Every setting.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().chain(LIFETIMES)
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        expected: "expected an address and port, such as \"127.0.0.1:9300\" or \"[::]:9300\"",
        secret: false,
        set: |config, raw| raw.parse().map(|value| config.listen = value),
        show: |config| quoted(config.listen),
    },
    Setting {
        name: "data",
        expected: "expected the path of a folder, such as \"/var/lib/vesta\"",
        secret: false,
        set: |config, raw| raw.path().map(|value| config.data = value),
        show: |config| quoted(config.data.display()),
    },
    Setting {
        name: "database",
        expected: "expected \"postgres://user:password@host/database\", or \"sqlite\" for the database in the data \
                   folder",
        secret: true,
        set: |config, raw| {
            config.database = if raw.text()? == "sqlite" { None } else { Some(raw.parse()?) };
            Some(())
        },
        show: |config| config.database.as_ref().map_or_else(|| quoted("sqlite"), quoted),
    },
    Setting {
        name: "http",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.http = value),
        show: |config| config.http.to_string(),
    },
    Setting {
        name: "tls.certificate",
        expected: "expected the path of a PEM file: the certificate, then its chain",
        secret: false,
        set: |config, raw| raw.path().map(|value| config.tls.certificate = Some(value)),
        show: |config| optional_path(config.tls.certificate.as_ref()),
    },
    Setting {
        name: "tls.key",
        expected: "expected the path of a PEM file with the certificate's private key",
        secret: false,
        set: |config, raw| raw.path().map(|value| config.tls.key = Some(value)),
        show: |config| optional_path(config.tls.key.as_ref()),
    },
    Setting {
        name: "behind_proxy",
        expected: EXPECTED_NETWORKS,
        secret: false,
        set: |config, raw| {
            config.behind_proxy = networks(raw)?;
            Some(())
        },
        show: |config| list(&config.behind_proxy),
    },
    Setting {
        name: "apis.fhir",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.apis.fhir = value),
        show: |config| config.apis.fhir.to_string(),
    },
    Setting {
        name: "apis.standard",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.apis.standard = value),
        show: |config| config.apis.standard.to_string(),
    },
    Setting {
        name: "apis.portal",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.apis.portal = value),
        show: |config| config.apis.portal.to_string(),
    },
    Setting {
        name: "apis.system_scopes",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.apis.system_scopes = value),
        show: |config| config.apis.system_scopes.to_string(),
    },
    Setting {
        name: "limits.body_bytes",
        expected: "expected a number of bytes from 1024 to 1073741824",
        secret: false,
        set: |config, raw| raw.integer(1024..=1 << 30).map(|value| config.limits.body_bytes = value),
        show: |config| config.limits.body_bytes.to_string(),
    },
    Setting {
        name: "limits.header_bytes",
        expected: "expected a number of bytes from 8192 to 1048576",
        secret: false,
        set: |config, raw| raw.integer(8192..=1 << 20).map(|value| config.limits.header_bytes = value),
        show: |config| config.limits.header_bytes.to_string(),
    },
    Setting {
        name: "limits.page_default",
        expected: "expected a number of resources from 1 to 10000",
        secret: false,
        set: |config, raw| raw.integer(1..=10_000).map(|value| config.limits.page_default = value),
        show: |config| config.limits.page_default.to_string(),
    },
    Setting {
        name: "limits.page_max",
        expected: "expected a number of resources from 1 to 10000",
        secret: false,
        set: |config, raw| raw.integer(1..=10_000).map(|value| config.limits.page_max = value),
        show: |config| config.limits.page_max.to_string(),
    },
    Setting {
        name: "limits.chain_steps",
        expected: "expected a number of steps from 0 to 8",
        secret: false,
        set: |config, raw| raw.integer(0..=8).map(|value| config.limits.chain_steps = value),
        show: |config| config.limits.chain_steps.to_string(),
    },
    Setting {
        name: "limits.search_values",
        expected: "expected a number of values from 1 to 10000",
        secret: false,
        set: |config, raw| raw.integer(1..=10_000).map(|value| config.limits.search_values = value),
        show: |config| config.limits.search_values.to_string(),
    },
    Setting {
        name: "limits.includes",
        expected: "expected a number of _include and _revinclude from 0 to 1000",
        secret: false,
        set: |config, raw| raw.integer(0..=1_000).map(|value| config.limits.includes = value),
        show: |config| config.limits.includes.to_string(),
    },
    Setting {
        name: "limits.bundle_entries",
        expected: "expected a number of entries from 1 to 1000000",
        secret: false,
        set: |config, raw| raw.integer(1..=1_000_000).map(|value| config.limits.bundle_entries = value),
        show: |config| config.limits.bundle_entries.to_string(),
    },
    Setting {
        name: "limits.connections",
        expected: "expected a number of connections from 1 to 1000000",
        secret: false,
        set: |config, raw| raw.integer(1..=1_000_000).map(|value| config.limits.connections = value),
        show: |config| config.limits.connections.to_string(),
    },
    Setting {
        name: "limits.concurrent_requests",
        expected: "expected a number of requests from 1 to 1000000",
        secret: false,
        set: |config, raw| raw.integer(1..=1_000_000).map(|value| config.limits.concurrent_requests = value),
        show: |config| config.limits.concurrent_requests.to_string(),
    },
    Setting {
        name: "limits.open_sites",
        expected: "expected a number of sites from 1 to 100000",
        secret: false,
        set: |config, raw| raw.integer(1..=100_000).map(|value| config.limits.open_sites = value),
        show: |config| config.limits.open_sites.to_string(),
    },
    Setting {
        name: "limits.header_seconds",
        expected: EXPECTED_SECONDS,
        secret: false,
        set: |config, raw| raw.seconds().map(|value| config.limits.header_timeout = value),
        show: |config| config.limits.header_timeout.as_secs().to_string(),
    },
    Setting {
        name: "limits.request_seconds",
        expected: EXPECTED_SECONDS,
        secret: false,
        set: |config, raw| raw.seconds().map(|value| config.limits.request_timeout = value),
        show: |config| config.limits.request_timeout.as_secs().to_string(),
    },
    Setting {
        name: "limits.idle_seconds",
        expected: EXPECTED_SECONDS,
        secret: false,
        set: |config, raw| raw.seconds().map(|value| config.limits.idle_timeout = value),
        show: |config| config.limits.idle_timeout.as_secs().to_string(),
    },
    Setting {
        name: "limits.shutdown_seconds",
        expected: EXPECTED_SECONDS,
        secret: false,
        set: |config, raw| raw.seconds().map(|value| config.limits.shutdown_timeout = value),
        show: |config| config.limits.shutdown_timeout.as_secs().to_string(),
    },
    Setting {
        name: "log.format",
        expected: "expected \"text\" or \"json\"",
        secret: false,
        set: |config, raw| {
            config.log.format = match raw.text()? {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return None,
            };
            Some(())
        },
        show: |config| {
            quoted(match config.log.format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            })
        },
    },
    Setting {
        name: "log.level",
        expected: "expected a level (\"error\", \"warn\", \"info\", \"debug\", \"trace\"), or a filter such as \
                   \"vesta_server=debug,info\"",
        secret: false,
        set: |config, raw| {
            let text = raw.text()?;
            tracing_subscriber::EnvFilter::builder().parse(text).ok()?;
            config.log.level = text.to_owned();
            Some(())
        },
        show: |config| quoted(&config.log.level),
    },
    Setting {
        name: "search.handling",
        expected: "expected \"strict\" or \"lenient\"",
        secret: false,
        set: |config, raw| {
            config.search.handling = match raw.text()? {
                "strict" => SearchHandling::Strict,
                "lenient" => SearchHandling::Lenient,
                _ => return None,
            };
            Some(())
        },
        show: |config| {
            quoted(match config.search.handling {
                SearchHandling::Strict => "strict",
                SearchHandling::Lenient => "lenient",
            })
        },
    },
    Setting {
        name: "search.full_text",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.search.full_text = value),
        show: |config| config.search.full_text.to_string(),
    },
    Setting {
        name: "oauth.registration",
        expected: "expected \"open\" or \"closed\"",
        secret: false,
        set: |config, raw| {
            config.oauth.closed_registration = match raw.text()? {
                "open" => false,
                "closed" => true,
                _ => return None,
            };
            Some(())
        },
        show: |config| quoted(if config.oauth.closed_registration { "closed" } else { "open" }),
    },
    Setting {
        name: "oauth.manual_approval",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.oauth.manual_approval = value),
        show: |config| config.oauth.manual_approval.to_string(),
    },
    Setting {
        name: "oauth.password_grant",
        expected: "expected \"off\", \"users\", \"patients\" or \"both\"",
        secret: false,
        set: |config, raw| {
            config.oauth.password_grant = match raw.text()? {
                "off" => PasswordGrant::Off,
                "users" => PasswordGrant::Users,
                "patients" => PasswordGrant::Patients,
                "both" => PasswordGrant::Both,
                _ => return None,
            };
            Some(())
        },
        show: |config| {
            quoted(match config.oauth.password_grant {
                PasswordGrant::Off => "off",
                PasswordGrant::Users => "users",
                PasswordGrant::Patients => "patients",
                PasswordGrant::Both => "both",
            })
        },
    },
    Setting {
        name: "oauth.jwks_networks",
        expected: EXPECTED_NETWORKS,
        secret: false,
        set: |config, raw| {
            config.oauth.jwks_networks = networks(raw)?;
            Some(())
        },
        show: |config| list(&config.oauth.jwks_networks),
    },
    Setting {
        name: "oauth.jwks_authority",
        expected: "expected the path of a PEM file with certificates",
        secret: false,
        set: |config, raw| raw.path().map(|value| config.oauth.jwks_authority = Some(value)),
        show: |config| optional_path(config.oauth.jwks_authority.as_ref()),
    },
    Setting {
        name: "writes.delete_referenced",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.writes.delete_referenced = value),
        show: |config| config.writes.delete_referenced.to_string(),
    },
    Setting {
        name: "writes.conditional_delete_multiple",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |config, raw| raw.boolean().map(|value| config.writes.conditional_delete_multiple = value),
        show: |config| config.writes.conditional_delete_multiple.to_string(),
    },
    Setting {
        name: "guides",
        expected: "expected a list of guides that are built in, with their versions, such as \
                   [\"hl7.fhir.us.core@8.0.0\"]; none means all",
        secret: false,
        set: |config, raw| {
            let built_in = |guide: &Guide| vesta_guides::guides::get(&guide.name, &guide.version).is_some();
            let guide = |text: &String| text.parse().ok().filter(built_in);
            config.guides = raw.list()?.iter().map(guide).collect::<Option<_>>()?;
            Some(())
        },
        show: |config| list(&config.guides),
    },
];

pub(super) const EXPECTED_BOOLEAN: &str = "expected true or false";
const EXPECTED_SECONDS: &str = "expected a number of seconds from 1 to 86400";
/// Sets what was given, or says why not.
pub(super) fn apply(config: &mut Config, given: Given, problems: &mut Vec<Problem>) {
    let set = match all().find(|setting| setting.name == given.name) {
        Some(setting) => setting.apply(config, &given.raw),
        None if given.name.starts_with("sites.") => sites::apply(config, &given),
        None => Err((None, unknown(&given.name, &given.place))),
    };
    match set {
        Ok(()) => {
            config.origins.insert(given.name, given.place);
        }
        Err((value, expected)) => problems.push(Problem { name: given.name, place: given.place, value, expected }),
    }
}

fn unknown(name: &str, place: &Place) -> String {
    // A flag is checked by the command line's own parser; here stand the file and the variables.
    let shown = |setting: &str| match place {
        Place::Variable(_) => source_variable(setting),
        _ => setting.to_owned(),
    };
    let similar =
        all().map(|setting| (distance(setting.name, name), setting.name)).min().filter(|(distance, _)| *distance <= 3);
    match similar {
        Some((_, setting)) => format!("there is no such setting; did you mean {}?", shown(setting)),
        None => "there is no such setting; `vesta config show` lists them all".to_owned(),
    }
}

/// The variable that sets a setting: `limits.body_bytes` is `VESTA_LIMITS_BODY_BYTES`.
pub(super) fn source_variable(name: &str) -> String {
    format!("VESTA_{}", name.replace(['.', '-'], "_").to_ascii_uppercase())
}

/// How many letters differ (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..right.len() {
            let above = row[column + 1];
            row[column + 1] = (diagonal + usize::from(letter != right[column])).min(above + 1).min(row[column] + 1);
            diagonal = above;
        }
    }
    row[right.len()]
}

/// All settings as TOML, each with its origin, so that the text is a valid file.
pub(super) fn show(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let origin = match config.origin(name) {
            Place::Default => String::new(),
            place => format!("  # {place}"),
        };
        // What is not set is a comment.
        let hidden = if value.is_empty() { "# " } else { "" };
        let _ = writeln!(text, "{hidden}{name} = {value}{origin}");
    };
    for setting in all() {
        line(setting.name, (setting.show)(config));
    }
    for (site, settings) in &config.sites {
        sites::show(site, settings, &mut line);
    }
    text
}

pub(super) fn quoted(value: impl std::fmt::Display) -> String {
    format!("{:?}", value.to_string())
}

pub(super) fn optional_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| quoted(path.display()))
}

pub(super) fn list<T: std::fmt::Display>(values: &[T]) -> String {
    format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

impl Raw {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn parse<T: FromStr>(&self) -> Option<T> {
        self.text()?.parse().ok()
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.text().filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            Raw::Boolean(value) => Some(*value),
            Raw::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn integer(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let value = match self {
            Raw::Integer(text) | Raw::Text(text) => text.replace('_', "").parse().ok()?,
            _ => return None,
        };
        range.contains(&value).then_some(value)
    }

    fn seconds(&self) -> Option<Duration> {
        self.integer(1..=86_400).map(|seconds| Duration::from_secs(seconds as u64))
    }

    /// In a variable or a flag, a list is written with commas.
    pub(super) fn list(&self) -> Option<Vec<String>> {
        match self {
            Raw::List(values) => Some(values.clone()),
            Raw::Text(text) if text.is_empty() => Some(Vec::new()),
            Raw::Text(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
            _ => None,
        }
    }
}
