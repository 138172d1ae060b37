//! What single steps of a request cost on one thread, with no server around them.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use vesta_server::access::{NewToken, SigningKey, Verifier};
use vesta_server::clock::Clock;

use crate::Outcome;
use crate::report::Report;

const ISSUER: &str = "https://bench.example.org/oauth2/default";
const AUDIENCE: &str = "https://bench.example.org/apis/default/fhir";
const TOKENS: u32 = 500;

/// A token that is verified for the first time, and one that is remembered.
pub(crate) fn tokens(report: &mut Report) -> Outcome {
    let key = SigningKey::from_pem(&SigningKey::generate_pem()?)?;
    let tokens = (0..TOKENS)
        .map(|number| {
            key.issue(&NewToken {
                issuer: ISSUER,
                audience: AUDIENCE,
                subject: "bench",
                client_id: "bench",
                scope: "launch/patient openid patient/Patient.rs patient/Observation.rs",
                patient: Some("bench-patient-1"),
                encounter: None,
                fhir_user: None,
                grant: None,
                roles: &[],
                now: Timestamp::UNIX_EPOCH,
                lifetime: SignedDuration::from_hours(1),
                id: format!("token-{number}"),
            })
        })
        .collect::<Result<Vec<String>, _>>()?;
    let verifier =
        Verifier::new(vesta_oauth::KeyRing::of(key), ISSUER, AUDIENCE, true, Clock::from_fn(|| Timestamp::UNIX_EPOCH));
    let all = || -> Outcome<Duration> {
        let began = Instant::now();
        for token in &tokens {
            std::hint::black_box(verifier.verify(token)?);
        }
        Ok(began.elapsed() / TOKENS)
    };
    report.fact("a token seen for the first time", micros(all()?), "µs");
    report.fact("a token that is remembered", micros(all()?), "µs");
    Ok(())
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
