//! Days and moments as people write them. Where the reader is, the server does not know: moments are in UTC and say so.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// `November 28, 2026`
pub(crate) fn day(date: &Date) -> String {
    date.strftime("%B %-d, %Y").to_string()
}

/// `November 28, 2026, 7:40 PM UTC`
pub(crate) fn moment(moment: &Timestamp) -> String {
    TimeZone::UTC.to_datetime(*moment).strftime("%B %-d, %Y, %-I:%M %p UTC").to_string()
}

/// A date or dateTime of FHIR as far as it goes: `May 4, 1979`, `May 1979`, `1979`. What is neither stays as it is.
pub(crate) fn fhir(text: &str) -> String {
    let date = text.split('T').next().unwrap_or_default();
    match date.len() {
        10 => date.parse::<Date>().map_or_else(|_| text.to_owned(), |date| day(&date)),
        7 => {
            let month = strtime::parse("%Y-%m-%d", format!("{date}-01")).and_then(|parsed| parsed.to_date());
            month.map_or_else(|_| text.to_owned(), |date| date.strftime("%B %Y").to_string())
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_out() {
        let written = |text: &str| moment(&text.parse().unwrap());
        assert_eq!(written("2026-02-03T19:05:00Z"), "February 3, 2026, 7:05 PM UTC");
        assert_eq!(written("2026-02-03T00:00:00Z"), "February 3, 2026, 12:00 AM UTC");
    }

    #[test]
    fn dates_of_fhir_are_as_precise_as_they_are() {
        for (text, written) in [
            ("1979-05-04", "May 4, 1979"),
            ("1979-05", "May 1979"),
            ("1979", "1979"),
            ("2026-11-27T09:30:00-05:00", "November 27, 2026"),
            ("", ""),
            ("unknown", "unknown"),
            ("1979-13", "1979-13"),
        ] {
            assert_eq!(fhir(text), written);
        }
    }
}
