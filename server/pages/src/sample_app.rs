//! A small SMART app, as a stranger would write it: a public client that knows nothing of Vesta and makes standard SMART
//! calls only. `vesta demo` serves it beside the server, so that a newcomer can click from the start page to a chart.
//!
//! Its files stand in one folder: [`Index`] as `index.html` (which is also the redirect URI), [`Launch`] as
//! `launch.html` (the launch URL), [`SCRIPT`] as `app.js`, [`STYLESHEET`] as `app.css`. They go with
//!
//! ```text
//! Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src data:;
//!                          connect-src 'self' …; base-uri 'none'; frame-ancestors 'none'
//! ```
//!
//! where `connect-src` names the FHIR server's origin if it is another. It asks for [`SCOPES`] on its own, and for
//! `launch` instead of `launch/patient` where it is launched.

use askama::Template;

/// What it asks for; `app.js` has the same.
pub const SCOPES: &str = "launch/patient patient/Patient.rs patient/Condition.rs patient/MedicationRequest.rs patient/Medication.rs patient/Observation.rs";

/// `text/javascript; charset=utf-8`
pub const SCRIPT: &str = include_str!("../assets/sample-app/app.js");

/// `text/css; charset=utf-8`
pub const STYLESHEET: &str = include_str!("../assets/sample-app/app.css");

/// Where a person starts, and where the chart appears.
#[derive(Debug, Clone, Template)]
#[template(path = "sample-app/index.html")]
pub struct Index {
    pub client_id: String,
    /// The FHIR server at which it starts when nobody launches it.
    pub fhir_base: String,
    /// The landing page, to go back to.
    pub home: String,
}

/// Where the launcher sends the browser, with `iss` and `launch`.
#[derive(Debug, Clone, Template)]
#[template(path = "sample-app/launch.html")]
pub struct Launch {
    pub client_id: String,
}

#[cfg(test)]
mod tests {
    use super::{SCOPES, SCRIPT};

    #[test]
    fn the_script_asks_for_these_scopes() {
        for scope in SCOPES.split(' ').skip(1) {
            assert!(SCRIPT.contains(&format!("\"{scope}\"")), "{scope}");
        }
    }
}
