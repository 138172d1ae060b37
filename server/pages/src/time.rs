//! Days as people write them.

use jiff::civil::Date;

/// `November 28, 2026`
pub(crate) fn day(date: &Date) -> String {
    date.strftime("%B %-d, %Y").to_string()
}
