//! Dates as ranges: `2012-05` is the whole of May. <https://hl7.org/fhir/R4/search.html#date>

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// From the first instant to the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: Timestamp,
    pub(crate) high: Timestamp,
}

impl Range {
    fn contains(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// Whether a value of this range meets a search for `prefix` and `searched`.
    pub(crate) fn meets(self, prefix: &str, searched: Self) -> bool {
        match prefix {
            "eq" => searched.contains(self),
            "ne" => !searched.contains(self),
            "gt" => self.high > searched.high,
            "ge" => self.high > searched.high || searched.contains(self),
            "lt" => self.low < searched.low,
            "le" => self.low < searched.low || searched.contains(self),
            "sa" => self.low >= searched.high,
            "eb" => self.high <= searched.low,
            _ => unreachable!("{prefix} is no prefix"),
        }
    }
}

/// A date, dateTime or instant of any precision; what names no zone is read as UTC.
pub(crate) fn range(text: &str) -> Option<Range> {
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok();
    let (first, after) = match text.len() {
        4 => {
            let date: Date = format!("{text}-01-01").parse().ok()?;
            (date, date.checked_add(1.year()).ok()?)
        }
        7 => {
            let date: Date = format!("{text}-01").parse().ok()?;
            (date, date.checked_add(1.month()).ok()?)
        }
        10 => {
            let date: Date = text.parse().ok()?;
            (date, date.checked_add(1.day()).ok()?)
        }
        _ => return instant(text),
    };
    Some(Range { low: midnight(first)?, high: midnight(after)? })
}

fn instant(text: &str) -> Option<Range> {
    let (_, time) = text.split_once('T')?;
    let zone = time.find(['Z', '+', '-']);
    let clock = &time[..zone.unwrap_or(time.len())];
    let low: Timestamp = if zone.is_some() { text.parse().ok()? } else { format!("{text}Z").parse().ok()? };
    let precision = match clock.split_once('.') {
        _ if clock.len() == 5 => 60_000_000_000,
        None => 1_000_000_000,
        Some((_, fraction)) => 10_i64.pow(9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?),
    };
    Some(Range { low, high: low.checked_add(precision.nanoseconds()).ok()? })
}

/// A Period; a missing end is open.
pub(crate) fn period(value: &Value) -> Option<Range> {
    let bound = |name: &str| value[name].as_str().map(range);
    let low = bound("start").map_or(Some(Timestamp::MIN), |range| range.map(|range| range.low))?;
    let high = bound("end").map_or(Some(Timestamp::MAX), |range| range.map(|range| range.high))?;
    (value["start"].is_string() || value["end"].is_string()).then_some(Range { low, high })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn precision_decides_the_range() {
        let shown = |text: &str| range(text).map(|range| format!("{} {}", range.low, range.high)).unwrap();
        assert_eq!(shown("2012"), "2012-01-01T00:00:00Z 2013-01-01T00:00:00Z");
        assert_eq!(shown("2012-02"), "2012-02-01T00:00:00Z 2012-03-01T00:00:00Z");
        assert_eq!(shown("2012-12-31"), "2012-12-31T00:00:00Z 2013-01-01T00:00:00Z");
        assert_eq!(shown("2012-02-01T10:00:00+02:00"), "2012-02-01T08:00:00Z 2012-02-01T08:00:01Z");
        assert_eq!(shown("2012-02-01T10:00:00.25Z"), "2012-02-01T10:00:00.25Z 2012-02-01T10:00:00.26Z");
        assert_eq!(range("yesterday"), None);
    }

    #[test]
    fn an_open_period_of_2010_meets_ge_2024() {
        let open = period(&json!({ "start": "2010-05" })).unwrap();
        let searched = range("2024").unwrap();
        assert!(open.meets("ge", searched) && open.meets("gt", searched) && open.meets("lt", searched));
        assert!(!open.meets("eq", searched) && !open.meets("sa", searched) && !open.meets("eb", searched));
    }
}
