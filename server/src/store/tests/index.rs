//! Index rows.
