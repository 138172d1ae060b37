//! Text to dates and times: one lenient grammar, and on it what each FHIR type demands.

use winnow::ascii::digit1;
use winnow::combinator::{alt, opt, preceded};
use winnow::prelude::*;
use winnow::token::take_while;

use super::{Date, DateError, DateTime, Precision, Second, Time};

impl Date {
    /// FHIR `date`. <https://hl7.org/fhir/R4/datatypes.html#date>
    pub fn parse(text: &str) -> Result<Date, DateError> {
        date.parse(text).map_err(|_| DateError::Date)?.checked()
    }

    fn checked(self) -> Result<Date, DateError> {
        let first = jiff::civil::Date::new(self.year, self.month.unwrap_or(1), 1).map_err(|_| DateError::NoSuchDay)?;
        if self.year < 1 {
            return Err(DateError::OutOfRange);
        }
        match self.day {
            Some(day) if day < 1 || day > first.days_in_month() => Err(DateError::NoSuchDay),
            _ => Ok(self),
        }
    }
}

impl Time {
    /// FHIR `time`: to the second. <https://hl7.org/fhir/R4/datatypes.html#time>
    pub fn parse(text: &str) -> Result<Time, DateError> {
        Time::parse_partial(text).ok().filter(|time| time.precision() == Precision::Second).ok_or(DateError::Time)
    }

    /// FHIRPath's time, which may stop at the hour or the minute: `07`.
    pub fn parse_partial(text: &str) -> Result<Time, DateError> {
        time.parse(text).map_err(|_| DateError::Time)
    }
}

impl DateTime {
    /// FHIR `dateTime`: if there is a time it goes to the second and has a time zone.
    /// <https://hl7.org/fhir/R4/datatypes.html#dateTime>
    pub fn parse(text: &str) -> Result<DateTime, DateError> {
        let parsed = date_time.parse(text).map_err(|_| DateError::DateTime)?;
        if parsed.time.is_some_and(|time| time.precision() != Precision::Second || parsed.offset.is_none()) {
            return Err(DateError::DateTime);
        }
        parsed.checked()
    }

    /// FHIR `instant`. <https://hl7.org/fhir/R4/datatypes.html#instant>
    pub fn parse_instant(text: &str) -> Result<DateTime, DateError> {
        let parsed = date_time.parse(text).map_err(|_| DateError::Instant)?;
        if parsed.precision() != Precision::Second || parsed.offset.is_none() {
            return Err(DateError::Instant);
        }
        parsed.checked()
    }

    /// A date in a search: a time may stop at the minute, and the time zone may be missing.
    /// <https://hl7.org/fhir/R4/search.html#date>
    pub fn parse_search(text: &str) -> Result<DateTime, DateError> {
        let parsed = date_time.parse(text).map_err(|_| DateError::DateTime)?;
        if parsed.precision() == Precision::Hour {
            return Err(DateError::DateTime);
        }
        parsed.checked()
    }

    /// FHIRPath's dateTime, which may stop anywhere and may end in a bare `T`: `2015T`, `2015-02-04T14`.
    /// <http://hl7.org/fhirpath/N1/#datetime>
    pub fn parse_partial(text: &str) -> Result<DateTime, DateError> {
        if let Some(date) = text.strip_suffix('T') {
            return Date::parse(date).map(DateTime::from);
        }
        date_time.parse(text).map_err(|_| DateError::DateTime)?.checked()
    }

    fn checked(self) -> Result<DateTime, DateError> {
        self.date.checked().map(|_| self)
    }
}

fn digits<'a, N: std::str::FromStr>(count: usize) -> impl Parser<&'a str, N, winnow::error::ErrMode<()>> {
    take_while(count, |character: char| character.is_ascii_digit()).parse_to()
}

fn two(high: i8) -> impl for<'a> FnMut(&mut &'a str) -> Result<i8, winnow::error::ErrMode<()>> {
    move |input| digits(2).verify(|number: &i8| *number <= high).parse_next(input)
}

type Parsed<T> = Result<T, winnow::error::ErrMode<()>>;

fn date(input: &mut &str) -> Parsed<Date> {
    let year = digits(4).parse_next(input)?;
    let month = opt(preceded('-', two(12).verify(|month| *month > 0))).parse_next(input)?;
    let day = match month {
        Some(_) => opt(preceded('-', two(31).verify(|day| *day > 0))).parse_next(input)?,
        None => None,
    };
    Ok(Date { year, month, day })
}

fn time(input: &mut &str) -> Parsed<Time> {
    let hour = two(23).parse_next(input)?;
    let minute = opt(preceded(':', two(59))).parse_next(input)?;
    let second = match minute {
        Some(_) => opt(preceded(':', second)).parse_next(input)?,
        None => None,
    };
    Ok(Time { hour, minute, second })
}

/// Leap seconds are allowed (`:60`). Digits beyond the ninth are passed over.
fn second(input: &mut &str) -> Parsed<Second> {
    let whole = two(60).parse_next(input)?;
    let fraction = opt(preceded('.', digit1)).parse_next(input)?.unwrap_or("");
    let fraction = &fraction[..fraction.len().min(9)];
    let nanosecond = format!("{fraction:0<9}").parse().map_err(|_| winnow::error::ErrMode::Backtrack(()))?;
    Ok(Second { whole, nanosecond, digits: fraction.len() as u8 })
}

fn offset(input: &mut &str) -> Parsed<i16> {
    let signed = |input: &mut &str| {
        let sign = alt(('+'.value(1), '-'.value(-1))).parse_next(input)?;
        let (hours, minutes) = (two(14), preceded(':', two(59))).parse_next(input)?;
        let total = i16::from(hours) * 60 + i16::from(minutes);
        if total > 14 * 60 { Err(winnow::error::ErrMode::Backtrack(())) } else { Ok(sign * total) }
    };
    alt(('Z'.value(0), signed)).parse_next(input)
}

fn date_time(input: &mut &str) -> Parsed<DateTime> {
    let date = date.parse_next(input)?;
    let time = match date.day {
        Some(_) => opt(preceded('T', time)).parse_next(input)?,
        None => None,
    };
    let offset = match time {
        Some(_) => opt(offset).parse_next(input)?,
        None => None,
    };
    Ok(DateTime { date, time, offset })
}
