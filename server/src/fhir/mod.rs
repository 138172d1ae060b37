//! The interactions of the FHIR REST API, without HTTP.
