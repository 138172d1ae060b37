//! Dates and times: forms, intervals, order, arithmetic.

use std::cmp::Ordering;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

fn partial(text: &str) -> DateTime {
    DateTime::parse_partial(text).expect(text)
}

#[test]
fn each_type_takes_its_own_form_only() {
    for text in ["2024", "2024-05", "2024-05-06", "0001-01-01", "9999-12-31", "2024-02-29"] {
        assert_eq!(Date::parse(text).expect(text).to_string(), text);
        assert_eq!(DateTime::parse(text).expect(text).to_string(), text);
        assert!(DateTime::parse_instant(text).is_err(), "{text}");
    }
    for text in
        ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09.123+02:00", "2016-12-31T23:59:60Z", "2024-05-06T07:08:09-14:00"]
    {
        assert_eq!(DateTime::parse(text).expect(text).to_string(), text);
        assert_eq!(DateTime::parse_instant(text).expect(text).to_string(), text);
        assert!(Date::parse(text).is_err(), "{text}");
    }
    for text in ["2024-05-06T07:08", "2024-05-06T07:08Z", "2024-05-06T07:08:09"] {
        assert!(DateTime::parse(text).is_err(), "{text}");
        assert!(DateTime::parse_search(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "24",
        "02024",
        "0000",
        "2024-13",
        "2024-00",
        "2024-5",
        "2024-02-30",
        "2023-02-29",
        "2024-05-06T",
        "2024-05-06T24:00:00Z",
        "2024-05-06T07:08:61Z",
        "2024-05-06T07:08:09+15:00",
        "2024-05-06T07:08:09+14:30",
        "2024-05-06 07:08:09Z",
        "2024-05-06T07:08:09.Z",
        " 2024",
        "2024 ",
        "-2024",
        "2024T07",
    ] {
        assert!(
            Date::parse(text).is_err() && DateTime::parse(text).is_err() && DateTime::parse_search(text).is_err(),
            "{text}"
        );
    }
    assert!(DateTime::parse_partial("2015-02-04T14T").is_err());
    assert_eq!(Time::parse("07:08:09.50").expect("a time").to_string(), "07:08:09.50");
    for text in ["07", "07:08", "24:00:00", "07:08:09Z", "7:08:09"] {
        assert!(Time::parse(text).is_err(), "{text}");
    }
    for text in ["2015T", "2015-02T", "2015-02-04T", "2015-02-04T14", "2015-02-04T14:34:28+10:00"] {
        assert_eq!(partial(text).to_string(), text.trim_end_matches('T'));
    }
}

/// <https://hl7.org/fhir/R4/search.html#date>: a value stands for the whole interval that its precision leaves open.
#[test]
fn a_partial_date_covers_its_whole_interval() {
    let second = 1_000_000_i64;
    let day = 86_400 * second;
    assert_eq!(Date::parse("1970").expect("date").covers(), (0, 365 * day - 1));
    assert_eq!(Date::parse("1970-02").expect("date").covers(), (31 * day, 59 * day - 1));
    assert_eq!(Date::parse("1969-12-31").expect("date").covers(), (-day, -1));
    assert_eq!(partial("1970-01-01T00:00").covers(), (0, 60 * second - 1));
    assert_eq!(partial("1970-01-01T00:00:01").covers(), (second, 2 * second - 1));
    assert_eq!(partial("1970-01-01T00:00:00.5Z").covers(), (500_000, 599_999));
    assert_eq!(partial("1970-01-01T00:00:00.123456789Z").covers(), (123_456, 123_456));
    assert_eq!(partial("1970-01-01T02:00:00+02:00").covers(), (0, second - 1));
    assert_eq!(partial("1969-12-31T23:59:60Z").covers(), partial("1969-12-31T23:59:59Z").covers());
    assert_eq!(Date::parse("9999").expect("date").covers().1, 253_402_300_799_999_999);
}

#[test]
fn comparison_has_no_answer_between_precisions() {
    let compare = |one: &str, other: &str| partial(one).compare(partial(other));
    assert_eq!(compare("2018-03", "2018-03-01"), None);
    assert_eq!(compare("2018-03", "2018-04-01"), Some(Ordering::Less));
    assert_eq!(compare("2018-03-01T10", "2018-03-01T10:30"), None);
    assert_eq!(compare("2018-03-01T10:30:00", "2018-03-01T10:30:00.0"), Some(Ordering::Equal));
    assert_eq!(compare("2012-04-15T15:00:00+02:00", "2012-04-15T16:00:00+03:00"), Some(Ordering::Equal));
    assert_eq!(compare("2012-04-15T15:00:00Z", "2012-04-15T10:00:00"), None);
    assert_eq!(compare("2012-01-01T00:30:00+01:00", "2011-12-31T23:30:00Z"), Some(Ordering::Equal));
}

/// <http://hl7.org/fhirpath/N1/#datetime-arithmetic>
#[test]
fn quantities_of_time_are_added_in_the_calendar() {
    let add = |text: &str, amount: &str, unit: &str| {
        let unit = CalendarUnit::from_keyword(unit).expect(unit);
        partial(text).add(amount.parse().expect(amount), unit).expect(text).to_string()
    };
    assert_eq!(add("2014", "24", "months"), "2016");
    assert_eq!(add("2014", "23", "months"), "2015");
    assert_eq!(add("2016-02", "365", "days"), "2017-02");
    assert_eq!(add("2012-02-29", "1", "year"), "2013-02-28");
    assert_eq!(add("2020-03-31", "-1", "month"), "2020-02-29");
    assert_eq!(add("1973-12-25", "7.7", "days"), "1974-01-01");
    assert_eq!(add("1973-12-25", "36", "hours"), "1973-12-26");
    assert_eq!(add("1973-12-25T00:00:00.000+10:00", "1", "second"), "1973-12-25T00:00:01.000+10:00");
    assert_eq!(add("1973-12-25T00:00:00Z", "0.1", "seconds"), "1973-12-25T00:00:00.1Z");
    assert_eq!(add("1973-12-25T23:30", "45", "minutes"), "1973-12-26T00:15");
    assert_eq!(add("1973-12-25T23:30", "59", "seconds"), "1973-12-25T23:30");
    let time = Time::parse_partial("01:00").expect("time").add((-2).into(), CalendarUnit::Hour);
    assert_eq!(time.expect("time").to_string(), "23:00");
    assert_eq!(partial("9999-12-31").add(Decimal::ONE, CalendarUnit::Day), Err(DateError::OutOfRange));
    assert_eq!(partial("0001").add((-1).into(), CalendarUnit::Year), Err(DateError::OutOfRange));
    assert!(partial("2000").add(Decimal::MAX, CalendarUnit::Week).is_err());
}

fn any_date_time() -> impl Strategy<Value = DateTime> {
    let date = (1_i16..=9999, proptest::option::of((1_i8..=12, proptest::option::of(1_i8..=28))));
    let second = (0_i8..=59, 0_u8..=9, 0_i32..1_000_000_000).prop_map(|(whole, digits, nanosecond)| {
        let grain = 10_i32.pow(9 - u32::from(digits).min(9));
        Second { whole, nanosecond: if digits == 0 { 0 } else { nanosecond / grain * grain }, digits }
    });
    let time = (0_i8..=23, proptest::option::of((0_i8..=59, proptest::option::of(second))));
    let offset = proptest::option::of(-840_i16..=840);
    (date, proptest::option::of((time, offset))).prop_map(|((year, rest), time)| {
        let month = rest.map(|(month, _)| month);
        let day = rest.and_then(|(_, day)| day);
        let time = time.filter(|_| day.is_some());
        DateTime {
            date: Date { year, month, day },
            time: time.map(|((hour, rest), _)| Time {
                hour,
                minute: rest.map(|(minute, _)| minute),
                second: rest.and_then(|(_, second)| second),
            }),
            offset: time.and_then(|(_, offset)| offset),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in any_date_time()) {
        prop_assert_eq!(DateTime::parse_partial(&value.to_string()), Ok(value));
    }

    #[test]
    fn comparison_agrees_with_the_intervals(one in any_date_time(), other in any_date_time()) {
        if let Some(order) = one.compare(other) {
            // A value without offset compares by the calendar with a date that has none.
            if one.offset.is_some() == other.offset.is_some() {
                let ((one_low, one_high), (other_low, other_high)) = (one.covers(), other.covers());
                match order {
                    Ordering::Less => prop_assert!(one_low <= other_low),
                    Ordering::Greater => prop_assert!(one_high >= other_high),
                    Ordering::Equal => prop_assert!(one_low <= other_high && other_low <= one_high),
                }
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+0-9T:.Z]{0,25}") {
        let _ = (Date::parse(&text), DateTime::parse(&text), DateTime::parse_instant(&text), Time::parse(&text));
        if let Ok(value) = DateTime::parse_partial(&text) {
            let (low, high) = value.covers();
            prop_assert!(low <= high);
        }
    }
}
