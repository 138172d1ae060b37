//! What happens when the person at the terminal, or the CI, stops a task: nothing that it started stays behind.

use std::collections::BTreeSet;
use std::process::{Command, exit};
use std::sync::{Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::postgres;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Says that a child process runs, until the guard is dropped.
pub(crate) fn running(process: u32) -> Running {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(process);
    Running(process)
}

pub(crate) struct Running(u32);

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Starts the thread that waits for SIGINT, SIGTERM or SIGHUP.
pub(crate) fn watch() {
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        let number = runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            Ok::<_, std::io::Error>(tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hangup.recv() => 1,
            })
        });
        let Ok(number) = number else { return };
        for process in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = Command::new("kill").args(["-TERM", &process.to_string()]).status();
        }
        postgres::stop_running();
        eprintln!("stopped");
        exit(128 + number);
    });
}
