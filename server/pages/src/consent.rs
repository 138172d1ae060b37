//! The page on which a person decides what an app may see and do.

use askama::Template;
use jiff::civil::Date;

use crate::words::{self, Group, Reader, Scope};
use crate::{Form, Frame, Link, Person};

/// The app that asks. All of it is the app's own word.
#[derive(Debug, Clone, Default)]
pub struct App {
    pub name: String,
    /// Its website, policy and terms, as far as it named them: https only.
    pub links: Vec<Link>,
    /// The host to which the browser goes back, or what else its redirect URI is.
    pub goes_to: String,
    /// The day on which it was registered.
    pub registered: Option<Date>,
}

/// Whose records are asked for.
#[derive(Debug, Clone)]
pub enum Record {
    /// The person's own.
    Own,
    /// The record of a patient whom somebody of the staff chose: their name, and what tells them from others of it.
    Patient { name: String, about: String },
    /// Those that the person may see: no patient was chosen.
    Any,
}

/// The consent page.
///
/// Fields: `scope`, as often as there is one approved: the text of a scope that was asked for, or of one of those that
/// [`Scope::narrower`] gives for it; `decision`, `allow` or `deny`. Where a scope and narrower ones of it are sent, the
/// wider one counts.
#[derive(Debug, Clone, Template)]
#[template(path = "consent.html")]
pub struct Consent {
    pub frame: Frame,
    pub form: Form,
    pub app: App,
    pub record: Record,
    /// The scopes on records that are asked for.
    pub scopes: Vec<Scope>,
    /// Those that say nothing of records: `openid`, `fhirUser`, `system/Patient.$export` … Where an app was started
    /// (`launch/patient`) is not asked for, and may be among them.
    pub identity: Vec<String>,
    /// `offline_access` is asked for, and would end at this day if it is not used before.
    pub offline_until: Option<Date>,
    /// `online_access` is asked for.
    pub online: bool,
    /// What to say of the last attempt: "Choose at least one".
    pub mistake: Option<String>,
}

/// One switch, and the narrower ones under it.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/switch.html")]
pub(crate) struct Switch {
    value: String,
    words: String,
    resource_type: String,
    changes: bool,
    checked: bool,
    narrower: Vec<Self>,
}

impl Switch {
    fn new(scope: &Scope, reader: Reader, checked: bool) -> Self {
        // A narrower one is off at first: it is there for whoever turns the wider one off.
        let narrower = scope.narrower().iter().map(|narrower| Self::new(narrower, reader, false)).collect();
        Self {
            value: scope.to_string(),
            words: scope.words(reader),
            resource_type: scope.resource_type.clone().unwrap_or_default(),
            changes: scope.changes(),
            checked,
            narrower,
        }
    }
}

impl Consent {
    fn reader(&self) -> Reader {
        if matches!(self.record, Record::Own) { Reader::Patient } else { Reader::Staff }
    }

    /// Who is asked, where the record is not their own.
    pub(crate) fn staff(&self) -> Option<&Person> {
        self.frame.person.as_ref().filter(|_| self.reader() == Reader::Staff)
    }

    /// The switches under their headings.
    pub(crate) fn groups(&self) -> Vec<(Group, Vec<Switch>)> {
        let operations: Vec<Scope> = self.identity.iter().filter_map(|text| Scope::operation(text)).collect();
        let mut groups: Vec<(Group, Vec<Switch>)> = Vec::new();
        for scope in self.scopes.iter().chain(&operations) {
            let switch = Switch::new(scope, self.reader(), true);
            match groups.iter_mut().find(|(group, _)| *group == scope.group()) {
                Some((_, switches)) => switches.push(switch),
                None => groups.push((scope.group(), vec![switch])),
            }
        }
        groups.sort_by_key(|(group, _)| *group);
        groups
    }

    /// What is shared about the person: the scope, and its words.
    pub(crate) fn shared(&self) -> Vec<(&str, String)> {
        let others = self.identity.iter().filter(|scope| Scope::operation(scope).is_none());
        others.filter_map(|scope| Some((scope.as_str(), words::other(scope, self.reader())?))).collect()
    }
}
