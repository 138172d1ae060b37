//! The site's keys are replaced by a command while the server runs. <https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys>

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::party::Party;
use super::{api, app, practice};
use crate::harness::{World, vesta, wait_until};

const SCOPE: &str = "openid launch/patient patient/Patient.rs";

fn kid(token: &Value) -> String {
    jsonwebtoken::decode_header(token.as_str().expect("a token")).expect("a header").kid.expect("a key's id")
}

fn published(app: &Party) -> BTreeSet<String> {
    let set = app.get(&format!("{}/jwk", app.issuer), &[]).expect(200).json();
    let keys = set["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key's id").to_owned()).collect()
}

/// What the command prints, or says is wrong.
fn keys(world: &World, arguments: &[&str]) -> Result<String, String> {
    let output = vesta(world.data(), world.database.url(), &[&["keys"], arguments].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

const SOON: Duration = Duration::from_secs(20);

on_both_databases! {
    /// "The signer can begin using a new key in the keys set and signals the change to the verifier using the kid value ... The
    /// JWK Set document at the jwks_uri SHOULD retain recently decommissioned signing keys for a reasonable period of time".
    fn keys_are_rotated_beside_a_running_server_and_nobody_is_put_out(world) {
        practice(world);
        let app = app(world, SCOPE);
        let launch = || app.launch(world, "ann", SCOPE);
        let patients = |tokens: &Value| api(world, tokens["access_token"].as_str().expect("a token")).get("Patient").status;
        let first = launch();
        let before = published(&app);
        assert_eq!(before, BTreeSet::from([kid(&first["access_token"]), kid(&first["id_token"])]));
        // At once, as far as whoever verifies does not keep the JWKS.
        let said = keys(world, &["rotate", "--publish-for", "0s", "--keep-for", "24h"]).expect("rotated");
        assert_eq!(said.lines().filter(|line| line.ends_with("  signs")).count(), 2, "{said}");
        wait_until("the keys are published", SOON, || published(&app).len() == 4);
        let second = launch();
        for token in ["access_token", "id_token"] {
            assert!(!before.contains(&kid(&second[token])) && published(&app).contains(&kid(&second[token])));
        }
        assert_eq!((patients(&first), patients(&second)), (200, 200));
        // Published first, by default.
        let said = keys(world, &["rotate"]).expect("rotated");
        assert_eq!(said.lines().filter(|line| line.contains("  signs from 2")).count(), 2, "{said}");
        wait_until("the keys to come are published", SOON, || published(&app).len() == 6);
        let third = launch();
        assert_eq!(kid(&third["access_token"]), kid(&second["access_token"]));
        let refused = keys(world, &["rotate"]).expect_err("the last rotation is under way");
        assert!(refused.contains("rotate again after that"), "{refused}");
        assert_eq!(keys(world, &["list"]).expect("a list"), said);
        // In wrong hands: what the keys signed is worth nothing.
        keys(world, &["rotate", "--compromised"]).expect("rotated");
        wait_until("the old tokens are refused", SOON, || [&first, &second, &third].iter().all(|tokens| patients(tokens) == 401));
        wait_until("the old keys are gone", SOON, || published(&app).len() == 2);
        let last = launch();
        assert_eq!(patients(&last), 200);
        assert_eq!(published(&app), BTreeSet::from([kid(&last["access_token"]), kid(&last["id_token"])]));
        // And a server that starts now goes by the same.
        world.restart(|_| ());
        let unknown = keys(world, &["list", "--site", "nowhere"]).expect_err("no such site");
        assert!(unknown.contains("no site"), "{unknown}");
    }
}
