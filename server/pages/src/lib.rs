//! What people see of Vesta: a view struct in, a page of HTML out. A page is a struct here with its template in
//! `templates/`; who fills it decides what is true, the page decides how it is said. Neither HTTP nor the engine nor a
//! database is known here.
//!
//! Every page works without JavaScript and has neither a script nor a style inside, so that it can be served under
//!
//! ```text
//! Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' …;
//!                          base-uri 'none'; frame-ancestors 'none'
//! ```
//!
//! (`form-action` is applied to where a form's answer redirects, too: a page whose form ends at an app names the app's
//! origin there.) Forms are sent by POST as `application/x-www-form-urlencoded`, each with the field `csrf`; the other
//! fields are named at each view struct.

mod account;
mod apps;
mod clients;
mod consent;
mod form;
mod frame;
mod landing;
mod list;
mod login;
mod message;
mod picker;
mod qr;
pub mod sample_app;
mod time;
mod users;
pub mod words;

pub use account::{Account, RecoveryCodes, SecondFactorState, SetUpSecondFactor, TurnOffSecondFactor};
pub use apps::{Apps, Granted};
pub use askama::{Error, Template};
pub use clients::{Client, ClientGrant, ClientRow, ClientState, Clients, TokenFacts, TokenState, TokenTool};
pub use consent::{App, Consent, Record};
pub use form::{Form, Mistake};
pub use frame::{Frame, Link, Person};
pub use landing::{Demo, DemoUser, Entry, Landing};
pub use list::Pager;
pub use login::{Login, Reason, SecondFactor};
pub use message::{Confirm, Message};
pub use picker::{Encounter, EncounterPicker, Launchable, Launcher, Patient, PatientPicker};
pub use users::{Identity, NewUser, Role, User, UserRow, UserState, Users};

/// The one stylesheet. Serve it as `text/css; charset=utf-8` at a path that has its hash, and name that in [`Frame`].
pub const STYLESHEET: &str = include_str!("../assets/style.css");

/// The mark of Vesta, a flame: `image/svg+xml`, for the browser's tab.
pub const ICON: &str = include_str!("../assets/icon.svg");
