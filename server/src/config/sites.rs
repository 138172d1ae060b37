//! The settings of a site, `sites.<name>.…`: each declared once, as those of the server are.

use super::settings::{EXPECTED_BOOLEAN, EXPECTED_NETWORKS, Setting, Wrong, list, networks, optional_path, quoted};
use super::source::Given;
use super::{Config, Matching, SiteName, SiteSettings};

/// Its name is what follows the site's.
pub(super) type SiteSetting = Setting<SiteSettings>;

pub(super) const SITE_SETTINGS: &[SiteSetting] = &[
    SiteSetting {
        name: "public_url",
        expected: "expected the address that clients use, such as \"https://ehr.example.org\", without query",
        secret: false,
        set: |site, raw| raw.parse().map(|value| site.public_url = Some(value)),
        show: |site| optional(site.public_url.as_ref()),
    },
    SiteSetting {
        name: "brands",
        expected: "expected the path of a FHIR Bundle in JSON: the user-access brands that apps show",
        secret: false,
        set: |site, raw| raw.path().map(|value| site.brands = Some(value)),
        show: |site| optional_path(site.brands.as_ref()),
    },
    SiteSetting {
        name: "brand",
        expected: "expected the identifier of the site's own brand, as system|value",
        secret: false,
        set: |site, raw| raw.parse().map(|value| site.brand = Some(value)),
        show: |site| optional(site.brand.as_ref()),
    },
    SiteSetting {
        name: "staff_passwords",
        expected: EXPECTED_BOOLEAN,
        secret: false,
        set: |site, raw| raw.boolean().map(|value| site.no_staff_passwords = !value),
        show: |site| (!site.no_staff_passwords).to_string(),
    },
    SiteSetting {
        name: "upstream.name",
        expected: "expected what stands on the button of the log-in page, such as \"Hospital account\"",
        secret: false,
        set: |site, raw| {
            site.upstream.name =
                Some(raw.text().filter(|text| !text.trim().is_empty() && text.len() <= 100)?.to_owned());
            Some(())
        },
        show: |site| optional(site.upstream.name.as_ref()),
    },
    SiteSetting {
        name: "upstream.issuer",
        expected: "expected the OpenID provider's issuer as it calls itself, such as \"https://login.example.org/realm\": \
                   https, without query",
        secret: false,
        set: |site, raw| raw.parse().map(|value| site.upstream.issuer = Some(value)),
        show: |site| optional(site.upstream.issuer.as_ref()),
    },
    SiteSetting {
        name: "upstream.client_id",
        expected: "expected the client_id that the provider has given to this server",
        secret: false,
        set: |site, raw| {
            site.upstream.client_id = Some(raw.text().filter(|text| !text.is_empty())?.to_owned());
            Some(())
        },
        show: |site| optional(site.upstream.client_id.as_ref()),
    },
    SiteSetting {
        name: "upstream.client_secret",
        expected: "expected the client_secret that the provider has given to this server",
        secret: true,
        set: |site, raw| raw.parse().map(|value| site.upstream.client_secret = Some(value)),
        show: |site| optional(site.upstream.client_secret.as_ref()),
    },
    SiteSetting {
        name: "upstream.client_secret_file",
        expected: "expected the path of a file that holds the client_secret and nothing else",
        secret: false,
        set: |site, raw| raw.path().map(|value| site.upstream.client_secret_file = Some(value)),
        show: |site| optional_path(site.upstream.client_secret_file.as_ref()),
    },
    SiteSetting {
        name: "upstream.scopes",
        expected: "expected a list of scopes beside openid, such as [\"profile\", \"email\"]",
        secret: false,
        set: |site, raw| {
            let scopes = raw.list()?;
            // RFC 6749, 3.3
            let is_scope = |scope: &String| {
                let is_allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
                !scope.is_empty() && scope.bytes().all(is_allowed)
            };
            site.upstream.scopes = Some(scopes).filter(|scopes| scopes.iter().all(is_scope));
            site.upstream.scopes.as_ref().map(drop)
        },
        show: |site| site.upstream.scopes.as_deref().map_or_else(String::new, list),
    },
    SiteSetting {
        name: "upstream.match",
        expected: "expected \"none\" (only who was linked by `vesta user link`), \"email\" (if the provider says that it is \
                   verified) or \"preferred_username\"",
        secret: false,
        set: |site, raw| {
            site.upstream.matching = match raw.text()? {
                "none" => None,
                "email" => Some(Matching::Email),
                "preferred_username" => Some(Matching::PreferredUsername),
                _ => return None,
            };
            Some(())
        },
        show: |site| quoted(site.upstream.matching.map_or("none", Matching::as_str)),
    },
    SiteSetting {
        name: "upstream.networks",
        expected: EXPECTED_NETWORKS,
        secret: false,
        set: |site, raw| {
            site.upstream.networks = networks(raw)?;
            Some(())
        },
        show: |site| list(&site.upstream.networks),
    },
    SiteSetting {
        name: "upstream.authority",
        expected: "expected the path of a PEM file with certificates",
        secret: false,
        set: |site, raw| raw.path().map(|value| site.upstream.authority = Some(value)),
        show: |site| optional_path(site.upstream.authority.as_ref()),
    },
];

fn optional<T: std::fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(String::new, quoted)
}

/// Sets what was given.
pub(super) fn apply(config: &mut Config, given: &Given) -> Result<(), Wrong> {
    let unknown = || {
        let names: Vec<&str> = SITE_SETTINGS.iter().map(|setting| setting.name).collect();
        let site = "a site's name has lower-case letters, digits and hyphens, a letter first";
        (None, format!("expected sites.<name>. with one of {}; {site}", names.join(", ")))
    };
    let (site, name) = given.name["sites.".len()..].split_once('.').ok_or_else(unknown)?;
    let site: SiteName = site.parse().map_err(|_| unknown())?;
    let setting = SITE_SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(unknown)?;
    let mut settings = config.sites.get(&site).cloned().unwrap_or_default();
    setting.apply(&mut settings, &given.raw)?;
    config.sites.insert(site, settings);
    Ok(())
}

pub(super) fn show(site: &SiteName, settings: &SiteSettings, line: &mut impl FnMut(&str, String)) {
    for setting in SITE_SETTINGS {
        line(&format!("sites.{site}.{}", setting.name), (setting.show)(settings));
    }
}

/// What no setting can say alone.
pub(super) fn check(site: &SiteName, settings: &SiteSettings, refuse: &mut impl FnMut(&str, String, &str)) {
    let upstream = &settings.upstream;
    let name = |setting: &str| format!("sites.{site}.{setting}");
    match (&upstream.issuer, &upstream.client_id) {
        (Some(issuer), None) => {
            let expected =
                format!("{} belongs to it: register this server at the provider", name("upstream.client_id"));
            refuse(&name("upstream.issuer"), quoted(issuer), &expected);
        }
        (None, Some(id)) => {
            let expected = format!("{} belongs to it", name("upstream.issuer"));
            refuse(&name("upstream.client_id"), quoted(id), &expected);
        }
        (None, None) if settings.no_staff_passwords => {
            let expected =
                format!("without passwords staff log in at a provider only: set {}", name("upstream.issuer"));
            refuse(&name("staff_passwords"), "false".to_owned(), &expected);
        }
        _ => {}
    }
    if let (Some(_), Some(file)) = (&upstream.client_secret, &upstream.client_secret_file) {
        let expected = format!("{} is set too: one is enough", name("upstream.client_secret"));
        refuse(&name("upstream.client_secret_file"), quoted(file.display()), &expected);
    }
}
