//! What a test program says of its failures, kept to be said again at the end, where whoever looks will find it.

use std::fmt;

/// No more lines than this of one program, and no longer ones.
const LINES: usize = 80;
const LONGEST: usize = 600;

/// The lines between one that begins as `start` and one that begins as `end`, as often as they come.
pub(super) struct Failures {
    start: &'static str,
    end: &'static str,
    /// Those that may still be kept of the part that is being printed.
    left: usize,
    kept: Vec<String>,
}

impl Failures {
    pub(super) fn after(start: &'static str, end: &'static str) -> Self {
        Self { start, end, left: 0, kept: Vec::new() }
    }

    pub(super) fn add(&mut self, line: &str) {
        if line.starts_with(self.end) {
            self.left = 0;
        } else if line.starts_with(self.start) && self.left == 0 {
            self.left = LINES;
        } else if self.left > 0 && !line.is_empty() {
            self.left -= 1;
            self.kept.push(line[..line.floor_char_boundary(LONGEST)].to_owned());
        }
    }
}

/// Each line after a line break.
impl fmt::Display for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kept.iter().try_for_each(|line| write!(formatter, "\n{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn what_is_said_of_failures_is_kept() {
        let mut failures = Failures::after("failures:", "test result: ");
        let printed =
            "test a ... ok\n\nfailures:\n\n---- b stdout ----\nleft: 1\n\nfailures:\n    b\n\ntest result: FAILED. 1";
        printed.lines().for_each(|line| failures.add(line));
        "running 1 test\ntest result: ok. 1 passed".lines().for_each(|line| failures.add(line));
        assert_eq!(failures.to_string(), "\n---- b stdout ----\nleft: 1\nfailures:\n    b");
    }
}
