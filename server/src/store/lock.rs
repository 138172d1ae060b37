//! One process writes to a folder: an OS lock on a file in it, which the system releases however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::error::StoreError;

/// The lock of a data folder, or of a site's folder in it; released when dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

const FILE: &str = "vesta.lock";
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl FolderLock {
    /// The lock, or [`StoreError::Locked`] where another process has it.
    pub fn acquire(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let unusable =
            |error: std::io::Error| StoreError::Unavailable(format!("{} cannot be locked: {error}", path.display()));
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let hint = match holder.trim() {
                    "" => String::new(),
                    process => format!(" (process {process})"),
                };
                return Err(StoreError::Locked { folder: folder.display().to_string(), hint });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // Only for the message above; the lock itself is the system's.
        file.set_len(0).and_then(|()| file.rewind()).map_err(unusable)?;
        let _ = writeln!(file, "{}", std::process::id());
        Ok(FolderLock { _file: file })
    }

    /// The same, but waits a little for one that is just being released.
    pub async fn acquire_within(folder: &Path, patience: Duration) -> Result<Self, StoreError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            match FolderLock::acquire(folder) {
                Err(StoreError::Locked { .. }) if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let lock = FolderLock::acquire(folder.path()).expect("the first");
        let refused = FolderLock::acquire(folder.path()).expect_err("the second").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock);
        FolderLock::acquire(folder.path()).expect("the lock is free again");
    }
}
