//! Choosing the patient, and the visit, that an app shall work with; and starting an app.

use askama::Template;

use crate::list::Pager;
use crate::{Form, Frame, Mistake, time};

/// A patient as far as it takes to tell them from another.
#[derive(Debug, Clone, Default)]
pub struct Patient {
    pub id: String,
    pub name: String,
    /// As FHIR writes it.
    pub birth_date: String,
    pub sex: String,
    /// The record number, or whatever identifier people here go by.
    pub identifier: String,
}

impl Patient {
    pub(crate) fn born(&self) -> String {
        time::fhir(&self.birth_date)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Encounter {
    pub id: String,
    /// As FHIR writes it.
    pub start: String,
    pub kind: String,
    pub place: String,
    pub status: String,
}

impl Encounter {
    pub(crate) fn day(&self) -> String {
        time::fhir(&self.start)
    }
}

/// Finds a patient. The search form is sent by POST, since what is looked for tells of patients and a URL is kept in
/// many places. Fields of the search: `name`, `birth-date` (`2026-11-28`), `identifier`, and `page` for another page of
/// what was found. Field of the choice: `patient`, the id.
#[derive(Debug, Clone, Template)]
#[template(path = "patient-picker.html")]
pub struct PatientPicker {
    pub frame: Frame,
    pub search: Form,
    pub choose: Form,
    /// The app for which the patient is chosen.
    pub app: Option<String>,
    pub name: String,
    pub birth_date: String,
    pub identifier: String,
    /// None before anything was looked for.
    pub found: Option<Vec<Patient>>,
    pub pager: Pager,
    pub mistakes: Vec<Mistake>,
    /// Where it goes back without choosing.
    pub cancel: Option<String>,
}

/// Chooses one of a patient's visits. Field: `encounter`, the id; empty where none shall be chosen.
#[derive(Debug, Clone, Template)]
#[template(path = "encounter-picker.html")]
pub struct EncounterPicker {
    pub frame: Frame,
    pub choose: Form,
    pub app: Option<String>,
    pub patient: Patient,
    /// Newest first.
    pub found: Vec<Encounter>,
    /// URLs.
    pub pager: Pager,
    /// Whether it may go on without a visit.
    pub optional: bool,
    pub cancel: Option<String>,
}

/// An app that can be started from here.
#[derive(Debug, Clone)]
pub struct Launchable {
    pub id: String,
    pub name: String,
    /// A sentence about it, or its maker.
    pub about: String,
}

/// Starts an app for a patient. Fields: `app`, the client's id; `encounter`, the id or empty.
#[derive(Debug, Clone, Template)]
#[template(path = "launcher.html")]
pub struct Launcher {
    pub frame: Frame,
    /// Its hidden fields name the patient.
    pub form: Form,
    pub patient: Patient,
    /// The page on which another patient is chosen.
    pub other_patient: String,
    pub encounters: Vec<Encounter>,
    pub apps: Vec<Launchable>,
}
