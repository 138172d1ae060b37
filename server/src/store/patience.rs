//! Bulk work outlasts a store that is away for a while: a full disk that is being cleared, a database that restarts.

use std::time::Duration;

use tokio::time::Instant;

const LONGEST: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Counts the attempts of one piece of bulk work.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub fn begin() -> Self {
        Patience { until: Instant::now() + LONGEST, pause: FIRST_PAUSE }
    }

    /// Waits before the next attempt, longer each time; false when it is at an end.
    pub async fn wait(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
