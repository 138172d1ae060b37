//! The search language: parse, resolve, plan; SQL and in-memory back ends.
