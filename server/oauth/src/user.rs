//! The people: patients with their own record, staff, administrators. How they are known, and how they show it.
//! Passwords by NIST SP 800-63B: length counts, no rules of composition, no expiry; wrong ones are slowed down.
//! <https://pages.nist.gov/800-63-3/sp800-63b.html#memsecret>

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};

use crate::client::KeyFetcher;
use crate::engine::{Engine, Stored};
use crate::error::{ErrorCode, OAuthError};
use crate::secret;
use crate::storage::{Filter, Kind, Storage};
use crate::upstream::UpstreamIdentity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees one record: the user's own.
    Patient,
    /// Sees the records of patients.
    Staff,
    /// Staff that manages clients and users too.
    Administrator,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: String,
    /// What the user logs in with.
    pub name: String,
    pub display_name: String,
    pub email: Option<String>,
    pub role: Role,
    /// The user's own resource: `Patient/1`, `Practitioner/2`. A patient has one always.
    pub fhir_user: Option<String>,
    pub enabled: bool,
    /// A PHC string.
    pub password_hash: Option<String>,
    /// Base32, once confirmed by a code.
    pub totp_secret: Option<String>,
    /// Since when. Seconds since 1970.
    #[serde(default)]
    pub second_factor_since: i64,
    /// Hashes of codes that are good once each, for who has lost the device.
    #[serde(default)]
    pub recovery_hashes: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    #[serde(default)]
    pub last_login: Option<i64>,
    /// Who the user is at the upstream provider.
    #[serde(default)]
    pub upstream: Vec<UpstreamIdentity>,
    /// Until when a password is taken from an administrator where staff has none here. Seconds since 1970.
    #[serde(default)]
    pub break_glass_until: i64,
}

impl Stored for User {
    const KIND: Kind = Kind::User;

    fn subject(&self) -> Option<&str> {
        self.fhir_user.as_deref()
    }
}

/// From the name in its compared form to the user's id.
#[derive(Serialize, Deserialize)]
struct UserName {
    user: String,
}

impl Stored for UserName {
    const KIND: Kind = Kind::UserName;
}

/// Wrong passwords for a name, whether or not somebody has it.
#[derive(Serialize, Deserialize)]
struct Attempts {
    wrong: u32,
    /// No password is looked at before.
    locked_until: i64,
    expires: i64,
}

impl Stored for Attempts {
    const KIND: Kind = Kind::Attempts;

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// A code that was used: "accept a given time-based OTP only once during the validity period": SP 800-63B, 5.1.4.2.
#[derive(Serialize, Deserialize)]
struct UsedCode {
    expires: i64,
}

impl Stored for UsedCode {
    const KIND: Kind = Kind::OneTimePassword;

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// What a new user is.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    pub name: &'a str,
    pub display_name: &'a str,
    pub email: Option<&'a str>,
    pub role: Role,
    pub fhir_user: Option<&'a str>,
    pub password: Option<&'a str>,
}

/// Why somebody is not let in. It does not tell whether the name or the password was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("too many wrong attempts: try again in {0} seconds")]
    Locked(i64),
    #[error("the code is wrong, or was used before")]
    WrongCode,
    /// The password was right, and staff logs in at the upstream provider.
    #[error("staff signs in at the upstream provider, not by a password of this server")]
    Elsewhere,
    #[error(transparent)]
    Failed(#[from] OAuthError),
}

/// From this many wrong passwords on, each doubles the time to wait.
const FREE_ATTEMPTS: u32 = 5;
const FIRST_WAIT: i64 = 30;
const LONGEST_WAIT: i64 = 3600;
/// Wrong attempts are forgotten after so many seconds without one.
const FORGET: i64 = 24 * 3600;

/// The least length of a password, in characters.
pub const SHORTEST_PASSWORD: usize = 12;
const LONGEST: usize = 256;
const TOTP_STEP: u64 = 30;
const RECOVERY_CODES: usize = 10;

/// Takes about 50 ms and 19 MiB, as OWASP recommends; who calls keeps it off the threads that answer.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

impl User {
    /// `https://…/fhir/Practitioner/1`: absolute, so that it means the same elsewhere.
    pub fn fhir_user_url(&self, fhir_base: &str) -> Option<String> {
        self.fhir_user.as_deref().map(|own| format!("{fhir_base}/{own}"))
    }

    /// The logical id of the patient that this user is.
    pub fn patient(&self) -> Option<&str> {
        match self.role {
            Role::Patient => self.fhir_user.as_deref()?.strip_prefix("Patient/"),
            Role::Staff | Role::Administrator => None,
        }
    }

    pub fn has_second_factor(&self) -> bool {
        self.totp_secret.is_some()
    }
}

/// Names are compared without regard to case, since people do not keep to it.
fn compared(name: &str) -> String {
    name.trim().to_lowercase()
}

/// What is typed as a name may be a password in the wrong field, and of any length: its hash is kept.
fn attempts_key(name: &str) -> String {
    secret::hash(&compared(name))
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub async fn user(&self, id: &str) -> Result<Option<User>, OAuthError> {
        Ok(self.load::<User>(id).await?.map(|kept| kept.value))
    }

    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, OAuthError> {
        match self.load::<UserName>(&compared(name)).await? {
            Some(known) => self.user(&known.value.user).await,
            None => Ok(None),
        }
    }

    /// In the order of their ids.
    pub async fn users(&self, after: Option<&str>, limit: usize) -> Result<Vec<User>, OAuthError> {
        let found = self.list::<User>(Filter { after, limit, ..Filter::default() }).await?;
        Ok(found.into_iter().map(|kept| kept.value).collect())
    }

    /// All of them.
    pub async fn every_user(&self) -> Result<Vec<User>, OAuthError> {
        self.every().await
    }

    pub async fn add_user(&self, new: &NewUser<'_>) -> Result<User, OAuthError> {
        let name = new.name.trim();
        let is_name = (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !is_name {
            return Err(OAuthError::invalid_request("a user name has 1 to 100 characters"));
        }
        let own = new.fhir_user.filter(|own| !own.is_empty());
        let is_kind = |kinds: &[&str]| {
            own.and_then(|own| own.split_once('/')).is_some_and(|(kind, id)| kinds.contains(&kind) && is_id(id))
        };
        match new.role {
            Role::Patient if !is_kind(&["Patient"]) => {
                return Err(OAuthError::invalid_request("a patient needs the record that is theirs: Patient/[id]"));
            }
            Role::Staff | Role::Administrator
                if own.is_some() && !is_kind(&["Practitioner", "Person", "PractitionerRole"]) =>
            {
                return Err(OAuthError::invalid_request(
                    "staff is a Practitioner, PractitionerRole or Person: Practitioner/[id]",
                ));
            }
            _ => {}
        }
        let password_hash = new.password.map(|password| self.new_password_hash(name, password)).transpose()?;
        let user = User {
            id: secret::new_id(&self.random),
            name: name.to_owned(),
            display_name: new.display_name.trim().to_owned(),
            email: new.email.map(str::to_owned),
            role: new.role,
            fhir_user: own.map(str::to_owned),
            enabled: true,
            password_hash,
            totp_secret: None,
            second_factor_since: 0,
            recovery_hashes: Vec::new(),
            created: self.now().as_second(),
            last_login: None,
            upstream: Vec::new(),
            break_glass_until: 0,
        };
        if !self.add(&compared(name), &UserName { user: user.id.clone() }).await? {
            return Err(OAuthError::invalid_request("this user name is taken"));
        }
        self.add(&user.id, &user).await?;
        Ok(user)
    }

    /// Ends all sessions and grants of a user that is disabled.
    pub async fn set_user_enabled(&self, id: &str, enabled: bool) -> Result<bool, OAuthError> {
        let changed = self.change::<User>(id, |user| {
            user.enabled = enabled;
            Ok(())
        });
        let found = changed.await?.is_some();
        if !enabled {
            self.end_sessions_of(id, None).await?;
            self.revoke_grants(None, Some(id)).await?;
        }
        Ok(found)
    }

    /// One that an administrator tells somebody who has lost theirs: 24 letters in fours, so that it can be read out.
    pub fn new_password(&self) -> String {
        recovery_code(&secret::new(&self.random))
    }

    /// Every other session of the user ends: whoever has the old password is out.
    pub async fn set_password(&self, id: &str, password: &str, but_session: Option<&str>) -> Result<bool, OAuthError> {
        let Some(user) = self.user(id).await? else { return Ok(false) };
        let hash = self.new_password_hash(&user.name, password)?;
        let changed = self.change::<User>(id, |user| {
            user.password_hash = Some(hash.clone());
            Ok(())
        });
        changed.await?;
        self.storage.remove(Kind::Attempts, &attempts_key(&user.name)).await?;
        self.end_sessions_of(id, but_session).await?;
        Ok(true)
    }

    /// For an administrator: lets somebody who was locked out try again.
    pub async fn unlock_user(&self, id: &str) -> Result<bool, OAuthError> {
        let Some(user) = self.user(id).await? else { return Ok(false) };
        self.storage.remove(Kind::Attempts, &attempts_key(&user.name)).await?;
        Ok(true)
    }

    /// Until when no password of this user is looked at, after too many wrong ones. Seconds since 1970.
    pub async fn locked_until(&self, user: &User) -> Result<Option<i64>, OAuthError> {
        let attempts = self.load::<Attempts>(&attempts_key(&user.name)).await?;
        let now = self.now().as_second();
        Ok(attempts.map(|kept| kept.value.locked_until).filter(|until| *until > now))
    }

    /// For an administrator: takes the second factor away from who has lost it.
    pub async fn reset_second_factor(&self, id: &str) -> Result<bool, OAuthError> {
        let changed = self.change::<User>(id, |user| {
            user.totp_secret = None;
            user.recovery_hashes.clear();
            Ok(())
        });
        Ok(changed.await?.is_some())
    }

    /// Whether this is the user and the password. Takes a while, also for a name that nobody has.
    pub async fn check_password(&self, name: &str, password: &str) -> Result<User, LoginError> {
        let key = attempts_key(name);
        let now = self.now().as_second();
        let attempts = self.load::<Attempts>(&key).await?.map(|kept| kept.value);
        if let Some(attempts) = attempts.as_ref().filter(|attempts| attempts.locked_until > now) {
            return Err(LoginError::Locked(attempts.locked_until - now));
        }
        let user = self.user_by_name(name).await?;
        let kept = user.as_ref().and_then(|user| user.password_hash.as_deref()).unwrap_or(nobodys_hash());
        let is_right = password.len() <= LONGEST * 4
            && PasswordHash::new(kept).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok());
        match user.filter(|user| is_right && user.enabled && user.password_hash.is_some()) {
            // Only who has the password learns of it.
            Some(user) if !self.may_use_password(&user, now) => Err(LoginError::Elsewhere),
            Some(user) => {
                // A second factor is still to come where there is one: until then the wrong attempts count on.
                if attempts.is_some() && !user.has_second_factor() {
                    self.storage.remove(Kind::Attempts, &key).await.map_err(OAuthError::from)?;
                }
                Ok(user)
            }
            None => {
                self.count_wrong(&key).await?;
                Err(LoginError::Wrong)
            }
        }
    }

    /// Whether this is a code of the user's device, or one of the recovery codes, which is then used up.
    pub async fn check_second_factor(&self, user_id: &str, code: &str) -> Result<User, LoginError> {
        let user = self.user(user_id).await?.filter(|user| user.enabled).ok_or(LoginError::Wrong)?;
        let key = attempts_key(&user.name);
        let now = self.now().as_second();
        let attempts = self.load::<Attempts>(&key).await?.map(|kept| kept.value);
        if let Some(attempts) = attempts.filter(|attempts| attempts.locked_until > now) {
            return Err(LoginError::Locked(attempts.locked_until - now));
        }
        let code: String = code.chars().filter(|character| character.is_ascii_alphanumeric()).collect();
        let is_right = match code.len() {
            6 => self.is_fresh_code(&user, &code, now).await?,
            _ => self.use_recovery_code(&user, &code).await?,
        };
        if !is_right {
            self.count_wrong(&key).await?;
            return Err(LoginError::WrongCode);
        }
        self.storage.remove(Kind::Attempts, &key).await.map_err(OAuthError::from)?;
        Ok(user)
    }

    async fn is_fresh_code(&self, user: &User, code: &str, now: i64) -> Result<bool, OAuthError> {
        match user.totp_secret.as_deref() {
            Some(secret) => self.use_code(user, secret, code, now).await,
            None => Ok(false),
        }
    }

    /// Whether the device shows this code now, for the first time.
    async fn use_code(&self, user: &User, secret: &str, code: &str, now: i64) -> Result<bool, OAuthError> {
        if totp(secret, &user.name, "Vesta")?.check(code, now.unsigned_abs()).is_none() {
            return Ok(false);
        }
        let key = secret::hash(&format!("{} {code}", user.id));
        self.add(&key, &UsedCode { expires: now + 4 * TOTP_STEP.cast_signed() }).await
    }

    async fn use_recovery_code(&self, user: &User, code: &str) -> Result<bool, OAuthError> {
        let hash = secret::hash(&code.to_ascii_uppercase());
        let mut used = false;
        let changed = self.change::<User>(&user.id, |user| {
            let before = user.recovery_hashes.len();
            user.recovery_hashes.retain(|kept| !secret::are_equal(kept, &hash));
            used = user.recovery_hashes.len() < before;
            Ok(())
        });
        changed.await?;
        Ok(used)
    }

    async fn count_wrong(&self, key: &str) -> Result<(), OAuthError> {
        let now = self.now().as_second();
        let wait = |wrong: u32| match wrong.checked_sub(FREE_ATTEMPTS) {
            None => 0,
            Some(more) => (FIRST_WAIT << more.min(20)).min(LONGEST_WAIT),
        };
        let first = Attempts { wrong: 1, locked_until: now, expires: now + FORGET };
        if self.add(key, &first).await? {
            return Ok(());
        }
        let changed = self.change::<Attempts>(key, |attempts| {
            attempts.wrong = attempts.wrong.saturating_add(1);
            attempts.locked_until = now + wait(attempts.wrong);
            attempts.expires = now + FORGET;
            Ok(())
        });
        changed.await.map(drop)
    }

    /// A secret for the user's device, not yet in force, as base32 and as the `otpauth:` URL that a device scans.
    pub fn new_totp(&self, user: &User, issuer: &str) -> Result<(String, String), OAuthError> {
        let mut bytes = [0u8; 20];
        (self.random)(&mut bytes);
        let secret = Secret::new_stack(bytes).to_base32();
        let url = totp(&secret, &user.name, issuer)?.to_url().map_err(crate::token::server_error)?;
        Ok((secret, url))
    }

    /// Puts the secret in force once a code shows that the device has it. The recovery codes are told this once.
    pub async fn confirm_totp(&self, user_id: &str, secret: &str, code: &str) -> Result<Vec<String>, OAuthError> {
        let user = self.user(user_id).await?.ok_or_else(|| OAuthError::invalid_request("no such user"))?;
        if !self.use_code(&user, secret, code.trim(), self.now().as_second()).await? {
            return Err(OAuthError::invalid_request("the code is not the device's: check its clock, and scan anew"));
        }
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code(&secret::new(&self.random))).collect();
        let hashes: Vec<String> = codes.iter().map(|code| secret::hash(&code.replace('-', ""))).collect();
        let now = self.now().as_second();
        let changed = self.change::<User>(user_id, |user| {
            user.totp_secret = Some(secret.to_owned());
            user.second_factor_since = now;
            user.recovery_hashes = hashes.clone();
            Ok(())
        });
        changed.await?;
        Ok(codes)
    }

    fn new_password_hash(&self, name: &str, password: &str) -> Result<String, OAuthError> {
        check_strength(name, password)?;
        let mut salt = [0u8; 16];
        (self.random)(&mut salt);
        let hash = argon2().hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(crate::token::server_error)
    }
}

/// "at least 8 characters"; twelve here, since records of health are behind it. "SHALL compare ... against a list that
/// contains values known to be commonly-used".
pub fn check_strength(name: &str, password: &str) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| Err(OAuthError::invalid_request(why));
    let length = password.chars().count();
    if length < SHORTEST_PASSWORD {
        return refuse("the password must have at least 12 characters: a few words in a row do");
    }
    if length > LONGEST {
        return refuse("the password must have at most 256 characters");
    }
    let lower = password.to_lowercase();
    let name = compared(name);
    if name.chars().count() >= 4 && lower.contains(&name) {
        return refuse("the password must not contain the user name");
    }
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    let is_sequence = lower.as_bytes().windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) <= 1);
    let bare: String = lower.chars().filter(|character| character.is_alphabetic()).collect();
    if distinct.len() < 5 || is_sequence || COMMON.contains(&bare.as_str()) || COMMON.contains(&lower.as_str()) {
        return refuse("the password is one of those that are tried first: take a few words in a row");
    }
    Ok(())
}

/// What is tried first, of those that are long enough; digits and signs are left out of the comparison.
const COMMON: [&str; 24] = [
    "password",
    "passwordpassword",
    "passwort",
    "letmein",
    "letmeinletmein",
    "welcome",
    "welcomewelcome",
    "changeme",
    "changemechangeme",
    "changeit",
    "administrator",
    "adminadmin",
    "adminpassword",
    "iloveyou",
    "iloveyouiloveyou",
    "qwerty",
    "qwertyuiop",
    "qwertyqwerty",
    "qwertyuiopasdf",
    "qazwsxedcrfv",
    "abcdefghijkl",
    "sunshine",
    "princess",
    "football",
];

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// The hash that no password has: to look at it takes as long as at another.
fn nobodys_hash() -> &'static str {
    use std::sync::OnceLock;
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let hash = argon2().hash_password_with_salt(b"", b"nobody's salt 16");
        hash.map(|hash| hash.to_string()).unwrap_or_default()
    })
}

/// SHA-1, six digits and 30 seconds, since that is what every device can.
fn totp(secret: &str, account: &str, issuer: &str) -> Result<Totp, OAuthError> {
    let wrong = || OAuthError::new(ErrorCode::InvalidRequest, "this is no secret of a device");
    let secret = Secret::try_from_base32(secret).map_err(|_| wrong())?;
    Builder::new()
        .with_secret(secret)
        .with_step_duration(TOTP_STEP)
        .with_account_name(account.replace(':', " "))
        .with_issuer(Some(issuer.replace(':', " ")))
        .build()
        .map_err(|_| wrong())
}

/// Letters of 32 that are not mistaken for one another: 120 bits, since "look-up secrets having at least 112 bits of entropy" may be
/// kept as a plain hash. <https://pages.nist.gov/800-63-3/sp800-63b.html#lusv>
fn recovery_code(chance: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let hash = secret::sha256(chance.as_bytes());
    let letters: Vec<char> = hash.iter().take(24).map(|byte| LETTERS[usize::from(byte % 32)].into()).collect();
    letters.chunks(4).map(|group| group.iter().collect()).collect::<Vec<String>>().join("-")
}
