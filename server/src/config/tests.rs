//! Settings from all three sources, and what is said of those that cannot be used.

use std::io::Write;

use super::*;

fn sources(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vesta.toml");
    std::fs::File::create(&path).unwrap().write_all(file.as_bytes()).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let flags = flags.iter().map(|(name, value)| Flag { name, value: (*value).to_owned() }).collect();
    (folder, Sources { file: Some(path), variables, flags })
}

fn refusal(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> String {
    let (folder, sources) = sources(file, variables, flags);
    let text = Config::load(&sources).expect_err("it must be refused").to_string();
    text.replace(&folder.path().display().to_string(), "")
}

#[test]
fn a_flag_overrides_a_variable_overrides_the_file() {
    let (_folder, sources) = sources(
        "listen = \"127.0.0.1:1\"\ndata = \"a\"\n[limits]\npage_default = 5\n",
        &[("VESTA_LISTEN", "127.0.0.1:2"), ("VESTA_DATA", "b"), ("PATH", "x")],
        &[("listen", "127.0.0.1:3")],
    );
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, PathBuf::from("b"));
    assert_eq!(config.limits.page_default, 5);
    assert_eq!(config.origin("listen"), Place::Flag("--listen".to_owned()));
    assert_eq!(config.origin("data"), Place::Variable("VESTA_DATA".to_owned()));
    assert!(matches!(config.origin("limits.page_default"), Place::File { line: 4, .. }));
}

#[test]
fn every_bad_setting_is_named_with_its_place_and_what_would_be_right() {
    insta::assert_snapshot!(refusal(
        "listen = \"everywhere\"\ndatabase = \"mysql://root:secret@host/db\"\nlistne = 1\n\n[limits]\nbody_bytes = 12\n\
         page_default = \"many\"\n[log]\nformat = \"xml\"\n[sites.\"Our Clinic\"]\npublic_url = \"https://a\"\n\
         [sites.north]\npublic_url = \"ftp://north\"\nurl = \"https://north\"\n[cors]\n",
        &[
            ("VESTA_BEHIND_PROXY", "10.0.0.0/8, nowhere"),
            ("VESTA_LOG_LEVLE", "info"),
            ("VESTA_SITES_NORTH_CLINIC_PUBLIC_URL", "north"),
        ],
        &[("http", "perhaps")],
    ));
}

#[test]
fn what_no_setting_can_say_alone_is_checked() {
    insta::assert_snapshot!(refusal(
        "http = true\n[tls]\nkey = \"key.pem\"\n[limits]\npage_max = 10\n",
        &[("VESTA_LISTEN", "0.0.0.0:80")],
        &[],
    ));
}

/// A provider is whole or not there, and staff has a way in.
#[test]
fn what_an_upstream_provider_lacks_is_named_and_its_secret_is_not_repeated() {
    insta::assert_snapshot!(refusal(
        "[sites.one.upstream]\nissuer = \"https://login.example.org\"\nclient_secret = \"hunter2\"\nclient_secret_file = \"secret\"\n\
         [sites.two.upstream]\nclient_id = \"vesta\"\n[sites.three]\nstaff_passwords = false\n",
        &[],
        &[],
    ));
    let refused = refusal(
        "[sites.one.upstream]\nissuer = \"http://login.example.org\"\nmatch = \"name\"\nclient_secret = [\"hunter2\"]\n",
        &[("VESTA_SITES_ONE_UPSTREAM_SCOPES", "profile, e mail")],
        &[],
    );
    assert!(!refused.contains("hunter2"), "{refused}");
    insta::assert_snapshot!(refused);
}

#[test]
fn an_upstream_provider_is_set_by_variables_too_and_its_secret_is_masked() {
    let (_folder, sources) = sources(
        "[sites.north-clinic.upstream]\nissuer = \"https://login.example.org\"\nclient_id = \"vesta\"\n",
        &[
            ("VESTA_SITES_NORTH_CLINIC_UPSTREAM_CLIENT_SECRET", "hunter2"),
            ("VESTA_SITES_NORTH_CLINIC_STAFF_PASSWORDS", "false"),
        ],
        &[],
    );
    let config = Config::load(&sources).unwrap();
    let site = &config.sites[&"north-clinic".parse::<SiteName>().unwrap()];
    assert_eq!(site.upstream.client_secret.as_ref().map(Secret::reveal), Some("hunter2"));
    assert!(site.no_staff_passwords);
    assert!(!config.show().contains("hunter2") && !format!("{config:?}").contains("hunter2"));
}

/// The bounds are the standards': "SHOULD NOT exceed 300 seconds" for services, "no less than three months" for offline access.
#[test]
fn lifetimes_that_the_standards_do_not_allow_are_refused_with_what_they_say() {
    let wrong = "token_seconds = 3601\nservice_token_seconds = 301\noffline_days = 91\nsession_idle_seconds = 59\n\
                 session_seconds = 299\ncode_seconds = 601\ninteraction_seconds = 0\nlaunch_seconds = \"soon\"\n";
    insta::assert_snapshot!(refusal(&format!("[oauth]\n{wrong}"), &[], &[]));
    let refused = refusal("[oauth]\nsession_seconds = 600\n", &[], &[]);
    assert!(refused.contains("session_idle_seconds, which is 900"), "{refused}");
    let (_folder, sources) =
        sources("[oauth]\ntoken_seconds = 600\noffline_days = 365\n", &[("VESTA_OAUTH_CODE_SECONDS", "30")], &[]);
    let lifetimes = Config::load(&sources).unwrap().oauth.lifetimes;
    assert_eq!((lifetimes.token.as_secs(), lifetimes.code.as_secs()), (600, 30));
    assert_eq!(lifetimes.offline.as_secs(), 365 * 24 * 3600);
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    insta::assert_snapshot!(refusal("listen = \"127.0.0.1:1\"\ndata = /var/lib\n", &[], &[]));
}

#[test]
fn plain_http_is_allowed_behind_a_named_proxy() {
    let (_folder, sources) =
        sources("http = true\nlisten = \"0.0.0.0:80\"\nbehind_proxy = [\"10.0.0.5\", \"192.168.0.0/16\"]\n", &[], &[]);
    let config = Config::load(&sources).unwrap();
    assert!(config.is_proxy("10.0.0.5".parse().unwrap()));
    assert!(config.is_proxy("::ffff:192.168.7.7".parse().unwrap()));
    assert!(!config.is_proxy("10.0.0.6".parse().unwrap()));
}

#[test]
fn secrets_are_masked_and_what_is_shown_can_be_read_again() {
    let (folder, mut sources) = sources(
        "database = \"postgres://vesta:hunter2@db.example.org/vesta?password=hunter2\"\n[sites.north]\npublic_url = \
         \"https://North.example.org/ehr/\"\n",
        &[],
        &[],
    );
    let shown = Config::load(&sources).unwrap().show();
    assert!(!shown.contains("hunter2"));
    insta::assert_snapshot!(shown.replace(&folder.path().display().to_string(), ""));
    // The mask is no password, but everything else must come back as it was.
    std::fs::write(sources.file.as_ref().unwrap(), &shown).unwrap();
    sources.variables.clear();
    assert_eq!(Config::load(&sources).unwrap().limits.open_sites, 256);
}

#[test]
fn a_missing_file_that_was_named_is_an_error() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/vesta.toml")), ..Sources::default() };
    assert!(matches!(Config::load(&sources), Err(ConfigError::File { .. })));
}
