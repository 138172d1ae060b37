//! Batch and transaction. <https://hl7.org/fhir/R4/http.html#transaction>

mod conditional_references;
mod entry;
mod links;

#[cfg(test)]
mod tests;
