//! What is written into a patient's record, a room for each kind. A room knows the profiles of its resources and what
//! they must hold; what is true of a patient, and when, is decided by whoever writes the record.

pub(crate) mod allergies;
pub(crate) mod care;
pub(crate) mod conditions;
pub(crate) mod coverage;
pub(crate) mod devices;
pub(crate) mod documents;
pub(crate) mod encounters;
pub(crate) mod immunizations;
pub(crate) mod laboratory;
pub(crate) mod medications;
pub(crate) mod patients;
pub(crate) mod preferences;
pub(crate) mod procedures;
pub(crate) mod provenance;
pub(crate) mod reports;
pub(crate) mod screening;
pub(crate) mod social_history;
pub(crate) mod vital_signs;
