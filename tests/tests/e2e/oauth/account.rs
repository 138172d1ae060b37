//! One's own account in a browser: the password, by the rules of NIST SP 800-63B, and the second step of signing in.

use totp_rs::{Builder, Secret};
use vesta_conformance::party::page::Page;

use super::browser::{Browser, csrf};
use super::party::Party;
use super::{PASSWORD, app, practice};
use crate::harness::World;

const SCOPE: &str = "launch/patient patient/Patient.rs";

/// In a browser, on the page of the account.
fn signed_in(world: &World, app: &Party, user: &str, password: &str) -> (Browser, Page) {
    let mut browser = Browser::new(world);
    let url = format!("{}/account", app.issuer);
    let page = app.log_in_with(&mut browser, &url, user, password).page();
    assert_eq!(page.url, url, "{}", page.words());
    (browser, page)
}

/// What the device shows at that time.
fn code(secret: &str, step: u64) -> String {
    let secret = Secret::try_from_base32(secret).expect("a secret");
    let totp =
        Builder::new().with_secret(secret).with_account_name("ann".to_owned()).with_issuer(Some("Vesta".to_owned()));
    totp.build().expect("a device").generate(step * 30).to_string()
}

fn step(world: &World) -> u64 {
    world.sites().clock().now().as_second().unsigned_abs() / 30
}

on_both_databases! {
    /// <https://pages.nist.gov/800-63-3/sp800-63b.html#memsecretver>: "at least 8 characters in length", "values known to be
    /// commonly-used, expected, or compromised", "context-specific words, such as ... the username".
    fn a_password_is_changed_by_who_knows_it_and_the_other_sessions_end(world) {
        practice(world);
        let app = app(world, SCOPE);
        let (mut browser, account) = signed_in(world, &app, "ann", PASSWORD);
        let (mut other, _) = signed_in(world, &app, "ann", PASSWORD);
        let fresh = "another horse without one";
        let mut change = |current: &str, new: &str, repeated: &str| {
            let fields = [("current-password", current), ("new-password", new), ("repeated-password", repeated)];
            browser.press(&account, &["current-password"], &fields, None).page()
        };
        for (current, new, repeated, said) in [
            (PASSWORD, "short words", "short words", "at least 12 characters"),
            (PASSWORD, "passwordpassword", "passwordpassword", "tried first"),
            (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "tried first"),
            (PASSWORD, "Password1234!", "Password1234!", "tried first"),
            (PASSWORD, fresh, "another horse with one", "not the same"),
            ("not her password", fresh, fresh, "Current password"),
        ] {
            let page = change(current, new, repeated);
            assert!(page.words().contains(said), "{new}: {}", page.words());
            assert!(!page.text.contains(fresh), "a password stands in the page");
        }
        let changed = change(PASSWORD, fresh, fresh);
        assert!(changed.words().contains("Your password is changed."), "{}", changed.words());
        // The one who changed it is still there; whoever else was in is out.
        assert!(browser.get(&account.url).page().words().contains("My account"));
        assert!(other.get(&account.url).page().url.contains("/login"));
        let refused = app.log_in(&mut Browser::new(world), &account.url, "ann").page();
        assert!(refused.url.ends_with("/login") && refused.status == 200, "{} {}", refused.url, refused.words());
        signed_in(world, &app, "ann", fresh);
    }

    /// "Verifiers SHALL accept a given time-based OTP only once during the validity period", and a look-up secret "only once":
    /// <https://pages.nist.gov/800-63-3/sp800-63b.html#singlefactorOTP>
    fn a_second_step_is_set_up_asked_for_and_turned_off(world) {
        practice(world);
        let app = app(world, SCOPE);
        let (mut browser, account) = signed_in(world, &app, "ann", PASSWORD);
        let act = |browser: &mut Browser, page: &Page, action: &str| {
            browser.post(&account.url, &[("csrf", &csrf(page)), ("action", action)]).page()
        };
        let set_up = act(&mut browser, &account, "set-up-second-factor");
        let hidden = set_up.form_with(&["secret", "code"]).expect("a form").fields();
        let secret = hidden.iter().find(|(name, _)| name == "secret").expect("a secret").1.clone();
        // Nothing is in force before the device has shown that it has the secret.
        signed_in(world, &app, "ann", PASSWORD);
        let wrong = browser.press(&set_up, &["secret", "code"], &[("code", &code(&secret, step(world) + 1000))], None).page();
        assert!(wrong.words().contains("not the device's"), "{}", wrong.words());
        let shown = code(&secret, step(world));
        let codes = browser.press(&wrong, &["secret", "code"], &[("code", &shown)], None).page();
        assert!(codes.words().contains("recovery codes"), "{}", codes.words());
        let is_code = |word: &&str| word.len() == 29 && word.split('-').all(|part| part.len() == 4);
        let recovery: Vec<String> = codes.words().split_whitespace().filter(is_code).map(str::to_owned).collect();
        assert_eq!(recovery.len(), 10, "{}", codes.words());
        assert!(browser.get(&account.url).page().words().contains("10 recovery codes are left"));

        // From now on the password alone is half of it: no page is to be had.
        let mut half = Browser::new(world);
        let asked = app.log_in(&mut half, &account.url, "ann").page();
        assert!(asked.url.contains("/second-factor"), "{}", asked.url);
        assert!(half.get(&account.url).page().url.contains("/login"));
        let asked = app.log_in(&mut half, &account.url, "ann").page();
        let again = half.press(&asked, &["code"], &[("code", &shown)], None).page();
        assert!(again.words().contains("was used before"), "{}", again.words());
        let by_recovery = half.get(asked.link_with("recovery").expect("a link")).page();
        let inside = half.press(&by_recovery, &["code"], &[("code", &recovery[0])], None).page();
        assert!(inside.url.contains("/account"), "{} {}", inside.url, inside.words());
        assert!(inside.words().contains("9 recovery codes are left"), "{}", inside.words());
        // A recovery code is good once.
        let mut second = Browser::new(world);
        let asked = app.log_in(&mut second, &account.url, "ann").page();
        let by_recovery = second.get(asked.link_with("recovery").expect("a link")).page();
        let refused = second.press(&by_recovery, &["code"], &[("code", &recovery[0])], None).page();
        assert!(refused.url.contains("/second-factor"), "{}", refused.url);

        // Turning it off is asked about, and takes a form of the page, and a code: an open session is not enough.
        let question = half.get(&format!("{}?ask=turn-off", account.url)).page();
        assert!(question.words().contains("Turn off the second step?"), "{}", question.words());
        let forged = half.post(&account.url, &[("csrf", "guessed"), ("action", "turn-off-second-factor")]).page();
        assert_eq!(forged.status, 400);
        for wrong in ["", "000000", &recovery[0]] {
            let again = half.press(&question, &["code"], &[("code", wrong)], None).page();
            assert!(again.words().contains("Turn off the second step?"), "{wrong}: {}", again.words());
        }
        assert!(half.get(&account.url).page().words().contains("9 recovery codes are left"));
        let off = half.press(&question, &["code"], &[("code", &recovery[1])], None).page();
        assert!(off.words().contains("The second step is off."), "{}", off.words());
        signed_in(world, &app, "ann", PASSWORD);
    }
}
