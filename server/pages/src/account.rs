//! One's own account: the password, and the second step of signing in.

use askama::Template;
use jiff::Timestamp;

use crate::{Form, Frame, Link, Mistake, qr};

/// Fields of the password form: `current-password`, `new-password`, `repeated-password`. The other forms have none.
#[derive(Debug, Clone, Template)]
#[template(path = "account.html")]
pub struct Account {
    pub frame: Frame,
    pub username: String,
    /// What the person is here: "Patient", "Staff: Dr. Ruth Okafor".
    pub role: String,
    pub change_password: Form,
    /// The least length of a password.
    pub shortest: usize,
    pub second_factor: SecondFactorState,
    pub mistakes: Vec<Mistake>,
}

#[derive(Debug, Clone)]
pub enum SecondFactorState {
    Off {
        /// Begins to set it up: the answer is a [`SetUpSecondFactor`].
        set_up: Form,
    },
    On {
        since: Timestamp,
        recovery_codes_left: usize,
        /// Makes new codes: the answer is a [`RecoveryCodes`].
        new_codes: Form,
        /// The page that asks whether to turn it off. None where the site demands it.
        turn_off: Option<String>,
    },
}

/// Field: `code`.
#[derive(Debug, Clone, Template)]
#[template(path = "set-up-second-factor.html")]
pub struct SetUpSecondFactor {
    pub frame: Frame,
    pub form: Form,
    /// `otpauth://totp/…`: shown as a QR code.
    pub uri: String,
    /// The secret in base32, for who cannot scan.
    pub secret: String,
    pub mistakes: Vec<Mistake>,
    pub cancel: String,
}

impl SetUpSecondFactor {
    pub(crate) fn qr(&self) -> Option<qr::Code> {
        qr::Code::new(&self.uri)
    }

    /// In fours, so that a person can type it.
    pub(crate) fn spaced(&self) -> String {
        let letters: Vec<char> = self.secret.chars().collect();
        letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

/// Field: `code`. A session that was left open is not enough.
#[derive(Debug, Clone, Template)]
#[template(path = "turn-off-second-factor.html")]
pub struct TurnOffSecondFactor {
    pub frame: Frame,
    pub form: Form,
    pub mistakes: Vec<Mistake>,
    pub cancel: String,
}

/// Shown once.
#[derive(Debug, Clone, Template)]
#[template(path = "recovery-codes.html")]
pub struct RecoveryCodes {
    pub frame: Frame,
    pub codes: Vec<String>,
    pub done: Link,
}
