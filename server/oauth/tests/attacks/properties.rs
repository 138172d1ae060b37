//! No text, however odd, breaks a parser, and nothing that is read means more than what was written.

use proptest::prelude::*;
use vesta_oauth::{Credentials, ErrorCode, OAuthError, Parameters, covers, parse_scope, read_scope};

use crate::world::{REDIRECT, World, request};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn scope() -> impl Strategy<Value = String> {
    let level = prop_oneof!["patient", "user", "system"];
    let kind = prop_oneof![Just("*"), Just("Observation"), Just("Condition"), Just("Patient")];
    let letters = proptest::sample::subsequence(vec!['c', 'r', 'u', 'd', 's'], 1..=5);
    let query = prop_oneof![
        Just(""),
        Just("?category=laboratory"),
        Just("?category=survey"),
        Just("?category=survey&status=final")
    ];
    (level, kind, letters, query).prop_map(|(level, kind, letters, query)| {
        format!("{level}/{kind}.{}{query}", letters.iter().collect::<String>())
    })
}

/// RFC 6749, 5.2: "%x20-21 / %x23-5B / %x5D-7E".
fn is_description(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

proptest! {
    #[test]
    fn covering_is_an_order(one in scope(), two in scope(), three in scope()) {
        let covers = |had: &str, wanted: &str| covers([had], wanted);
        prop_assert!(covers(&one, &one));
        if covers(&one, &two) && covers(&two, &three) {
            prop_assert!(covers(&one, &three));
        }
        if covers(&one, &two) && covers(&two, &one) {
            prop_assert_eq!(parse_scope(&one).unwrap(), parse_scope(&two).unwrap());
        }
    }

    #[test]
    fn what_covers_has_the_level_the_type_and_the_letters(one in scope(), two in scope()) {
        if covers([one.as_str()], &two) {
            let (had, wanted) = (parse_scope(&one).unwrap(), parse_scope(&two).unwrap());
            prop_assert_eq!(had.level, wanted.level);
            prop_assert!(had.resource_type.is_none() || had.resource_type == wanted.resource_type);
            prop_assert!(had.constraint.iter().all(|pair| wanted.constraint.contains(pair)));
        }
    }

    #[test]
    fn errors_hold_what_the_standard_lets_them(text in "\\PC{0,60}") {
        if let Err(error) = read_scope(&text) {
            prop_assert!(is_description(&error.description), "{}", error.description);
        }
        let error = OAuthError::new(ErrorCode::InvalidScope, text);
        prop_assert!(is_description(&error.description));
    }

    #[test]
    fn no_header_breaks_the_reader_of_credentials(text in "(?s)(Basic )?.{0,60}", name in "[^:]{0,20}") {
        let _ = Credentials::read(Some(&text));
        let _ = Credentials::read(Some(&format!("basic {name}")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is asked: shown to the person, or sent to where the client is registered, and nowhere else.
    #[test]
    fn no_request_is_redirected_elsewhere(
        uri in "(https://app\\.example\\.org/callback)?[a-z:/?#@\\\\.%0-9]{0,12}",
        scope in "[a-z/*.?=$ A-Z|]{0,30}",
        state in "\\PC{0,20}",
        extra in "[a-z_]{1,12}",
        value in "\\PC{0,20}",
    ) {
        run(async {
            let world = World::new();
            let app = world.public("openid patient/*.rs").await;
            let session = world.engine.session(None).await.unwrap().session;
            let request = request(&app, &scope).set("redirect_uri", &uri).set("state", &state).add(&extra, &value);
            match world.begin(&request, &session).await {
                Err(vesta_oauth::Refusal::Redirect(url) | vesta_oauth::Refusal::Offer { back: url, .. }) => {
                    assert_eq!(uri, REDIRECT);
                    assert!(url.starts_with("https://app.example.org/callback?error="), "{url}");
                }
                Err(vesta_oauth::Refusal::Show(_)) => {}
                Ok(_) => assert_eq!(uri, REDIRECT),
            }
        });
    }

    #[test]
    fn no_assertion_breaks_the_reader(head in "\\PC{0,40}", body in "\\PC{0,40}", tail in "[A-Za-z0-9_=.-]{0,20}") {
        run(async {
            let world = World::new();
            for text in [format!("{head}.{body}.{tail}"), format!("{}.{}.{tail}", crate::world::base64url(head.as_bytes()), crate::world::base64url(body.as_bytes()))] {
                let form: Parameters = [
                    ("client_assertion_type", vesta_oauth::ASSERTION_TYPE),
                    ("client_assertion", text.as_str()),
                ].into_iter().collect();
                assert!(world.engine.authenticate(&Credentials::default(), &form).await.is_err());
                assert!(!world.is_active(&text).await);
            }
        });
    }
}
