//! The events beside the interactions, with the codes that AuditEvents have for them.

use crate::store::AuditAction;

/// What happened; how it ended is the entry's outcome, so that a failed log-in is a [`Event::LogIn`] that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    LogIn,
    LogOut,
    /// At the upstream provider, whose issuer is the entry's client.
    UpstreamLogIn,
    /// A second factor was asked for and given.
    SecondFactor,
    /// A user let an app in, or (as a failure) did not.
    Consent,
    /// The user was not asked, since an administrator has approved the app for all staff.
    ConsentSkipped,
    TokenIssued,
    TokenRevoked,
    ClientRegistered,
    ClientChanged,
    ClientEnabled,
    ClientDisabled,
    /// A user was made or changed: name, password, second factor, rights.
    UserChanged,
    /// The keys that tokens are signed with were replaced.
    KeysRotated,
    /// An app was launched from the record.
    Launch,
    Export,
}

/// A code of <https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_D.html>, with its display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DicomCode {
    pub code: &'static str,
    pub display: &'static str,
}

const fn dicom(code: &'static str, display: &'static str) -> DicomCode {
    DicomCode { code, display }
}

impl Event {
    pub const ALL: [Event; 16] = [
        Event::LogIn,
        Event::LogOut,
        Event::UpstreamLogIn,
        Event::SecondFactor,
        Event::Consent,
        Event::ConsentSkipped,
        Event::TokenIssued,
        Event::TokenRevoked,
        Event::ClientRegistered,
        Event::ClientChanged,
        Event::ClientEnabled,
        Event::ClientDisabled,
        Event::UserChanged,
        Event::KeysRotated,
        Event::Launch,
        Event::Export,
    ];

    /// What the log has for it, where it has the interaction's code otherwise.
    pub fn code(self) -> &'static str {
        match self {
            Event::LogIn => "login",
            Event::LogOut => "logout",
            Event::UpstreamLogIn => "upstream-login",
            Event::SecondFactor => "second-factor",
            Event::Consent => "consent",
            Event::ConsentSkipped => "consent-skipped",
            Event::TokenIssued => "token-issued",
            Event::TokenRevoked => "token-revoked",
            Event::ClientRegistered => "client-registered",
            Event::ClientChanged => "client-changed",
            Event::ClientEnabled => "client-enabled",
            Event::ClientDisabled => "client-disabled",
            Event::UserChanged => "user-changed",
            Event::KeysRotated => "keys-rotated",
            Event::Launch => "launch",
            Event::Export => "data-export",
        }
    }

    pub fn from_code(code: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.code() == code)
    }

    pub fn action(self) -> AuditAction {
        match self {
            Event::ClientRegistered => AuditAction::Create,
            Event::ClientChanged
            | Event::ClientEnabled
            | Event::ClientDisabled
            | Event::UserChanged
            | Event::KeysRotated => AuditAction::Update,
            // https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.PrivacyDisclosure.Source.html
            Event::Export => AuditAction::Read,
            _ => AuditAction::Execute,
        }
    }

    /// `AuditEvent.type`. <https://hl7.org/fhir/R4/valueset-audit-event-type.html>
    pub fn event_type(self) -> DicomCode {
        match self {
            Event::LogIn | Event::LogOut | Event::UpstreamLogIn | Event::SecondFactor => {
                dicom("110114", "User Authentication")
            }
            Event::Launch => dicom("110100", "Application Activity"),
            Event::Export => dicom("110106", "Export"),
            _ => dicom("110113", "Security Alert"),
        }
    }

    /// `AuditEvent.subtype`. <https://hl7.org/fhir/R4/valueset-audit-event-sub-type.html>
    pub fn subtype(self) -> Option<DicomCode> {
        Some(match self {
            Event::LogIn | Event::UpstreamLogIn | Event::SecondFactor => dicom("110122", "Login"),
            Event::LogOut => dicom("110123", "Logout"),
            Event::Consent | Event::ConsentSkipped | Event::TokenRevoked => {
                dicom("110135", "Object Security Attributes Changed")
            }
            Event::TokenIssued => dicom("110126", "Node Authentication"),
            Event::ClientRegistered
            | Event::ClientChanged
            | Event::ClientEnabled
            | Event::ClientDisabled
            | Event::KeysRotated => dicom("110129", "Security Configuration"),
            Event::UserChanged => dicom("110137", "User security Attributes Changed"),
            Event::Launch => dicom("110120", "Application Start"),
            Event::Export => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminology::{Kind, Packaged, Resource};

    /// `AuditEvent.type` and `subtype` are DICOM's codes where it has one.
    /// <https://hl7.org/fhir/R4/valueset-audit-event-sub-type.html>
    #[test]
    fn codes_and_displays_are_those_of_dicom() {
        let packaged = Packaged::new(vesta_guides::GUIDES);
        let found = packaged.find(Kind::CodeSystem, "http://dicom.nema.org/resources/ontology/DCM");
        let Some(Resource::CodeSystem(system)) = found.first() else { panic!("the packages carry it") };
        for event in Event::ALL {
            for coded in [Some(event.event_type()), event.subtype()].into_iter().flatten() {
                let concept = system.concept(coded.code).unwrap_or_else(|| panic!("{event:?}: {coded:?}"));
                assert_eq!(concept.display.as_deref(), Some(coded.display), "{event:?}");
            }
            assert_eq!(Event::from_code(event.code()), Some(event));
        }
    }
}
