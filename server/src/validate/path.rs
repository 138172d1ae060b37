//! Where the walk stands, as a stack that is only written out when there is something to say.

use std::fmt;

/// A FHIRPath expression of element names and indexes, the simple subset that `OperationOutcome.issue.expression`
/// allows.
#[derive(Debug, Default)]
pub(super) struct Path<'a> {
    segments: Vec<Segment<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Segment<'a> {
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    pub(super) fn push(&mut self, name: &'a str) {
        if self.segments.is_empty() {
            // Deep enough for nearly all resources: one allocation.
            self.segments.reserve(16);
        }
        self.segments.push(Segment { name, index: None });
    }

    pub(super) fn pop(&mut self) {
        self.segments.pop();
    }

    /// Sets the index of the last segment.
    pub(super) fn index(&mut self, index: Option<usize>) {
        if let Some(last) = self.segments.last_mut() {
            last.index = index;
        }
    }

    /// This place, and what is below it by `name`.
    pub(super) fn child(&self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            if position > 0 {
                formatter.write_str(".")?;
            }
            formatter.write_str(segment.name)?;
            if let Some(index) = segment.index {
                write!(formatter, "[{index}]")?;
            }
        }
        Ok(())
    }
}
