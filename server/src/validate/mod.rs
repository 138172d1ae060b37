//! Checks a resource against the generated element tables, and names every issue with its place. No store, no HTTP.
