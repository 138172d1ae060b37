//! JUnit's XML, as build servers read it: a suite for each suite, a case for each test.

use std::fmt::Write;

use super::{Counts, Report};
use crate::run::{Outcome, Tested};

pub(super) fn text(report: &Report) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let mut names: Vec<&str> = report.tested.iter().map(|tested| tested.suite.as_str()).collect();
    names.dedup();
    for name in names {
        let tested: Vec<&Tested> = report.tested.iter().filter(|tested| tested.suite == name).collect();
        let mut counts = Counts::default();
        tested.iter().for_each(|tested| counts.add(&tested.outcome));
        let Counts { failed, skipped, .. } = counts;
        let started = report.started;
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\" errors=\"0\" \
             timestamp=\"{started}\">",
            escaped(name),
            tested.len(),
        );
        tested.iter().for_each(|tested| case(&mut text, tested));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(text: &mut String, tested: &Tested) {
    let (class, name) = (escaped(&format!("{}.{}", tested.suite, tested.group)), escaped(&tested.id));
    let seconds = tested.took.as_secs_f64();
    let _ = write!(text, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\"");
    match &tested.outcome {
        Outcome::Passed => text.push_str("/>\n"),
        Outcome::Failed(problems) => {
            let message = escaped(problems.first().map_or("", String::as_str));
            let more = escaped(&format!("{}\n{}\n{}", tested.requirement, tested.link, problems.join("\n")));
            let _ = writeln!(text, ">\n      <failure message=\"{message}\">{more}</failure>\n    </testcase>");
        }
        Outcome::Skipped(why) => {
            let _ = writeln!(text, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why));
        }
    }
}

/// For text and attributes; what XML cannot hold at all is left out. <https://www.w3.org/TR/xml/#charsets>
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(one),
            one if one.is_control() || matches!(one, '\u{fffe}' | '\u{ffff}') => {}
            one => escaped.push(one),
        }
    }
    escaped
}
