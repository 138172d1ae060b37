//! The rows of the Patient compartment: which resources belong to a patient, by which search parameters, and when.

/// `(patient, type, low, high, resource)` with a bit for each search parameter that contributes.
/// <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompartmentRow {
    /// The logical id of the Patient.
    pub patient: String,
    /// The bounds of the clinically relevant date in microseconds since 1970 UTC; an open end is `i64::MIN` or
    /// `i64::MAX`.
    pub low: i64,
    pub high: i64,
    /// Bit n: the n-th parameter of the type in the generated compartment table.
    pub bits: i64,
}
