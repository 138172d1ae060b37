//! An import: files are read in parallel, their items written through many lanes, and what became of them is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinSet;

use super::{Document, Inputs, Item, documents, items};
use crate::clock::Ids;
use crate::maintenance::{Answer, Done, Door, Loaded, Task};

/// Items that wait to be written, so that memory does not fill.
const WAITING: usize = 128;

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub path: PathBuf,
    pub line: Option<u64>,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(formatter, ":{line}"))
    }
}

/// What was not taken, and why.
#[derive(Debug, Clone)]
pub struct Fault {
    pub origin: Origin,
    pub issues: Vec<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.issues.join("; "))
    }
}

/// What an import came to, by type.
#[derive(Debug, Default)]
pub struct Summary {
    pub counts: BTreeMap<String, BTreeMap<Done, u64>>,
    /// Documents or Bundles of which nothing was taken.
    pub faults: u64,
}

impl Summary {
    pub fn total(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }

    fn add(&mut self, loaded: Vec<Loaded>) {
        for Loaded { resource_type, done, count } in loaded {
            *self.counts.entry(resource_type).or_default().entry(done).or_default() += count;
        }
    }
}

/// Who hears how it goes on.
pub trait Progress: Send + Sync + 'static {
    /// So many bytes more were read.
    fn read(&self, bytes: u64);
    /// So many resources were written in all.
    fn written(&self, resources: u64);
    fn fault(&self, fault: &Fault);
}

type Waiting = (Origin, Item);

/// Imports the files. A fault stops nothing; the error is of the store that was lost.
pub async fn run(door: Arc<Door>, inputs: Inputs, ids: Ids, progress: Arc<dyn Progress>) -> Result<Summary, String> {
    let request_id = ids.next();
    let summary = Arc::new(Mutex::new(Summary::default()));
    // What may succeed once the rest is there is tried a second time, after all others.
    let later = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = mpsc::channel(WAITING);
    let report = |fault: Fault, summary: &Mutex<Summary>, progress: &dyn Progress| {
        summary.lock().unwrap_or_else(PoisonError::into_inner).faults += 1;
        progress.fault(&fault);
    };

    let mut readers = JoinSet::new();
    let files = Arc::new(inputs.files);
    let next = Arc::new(AtomicUsize::new(0));
    let parallel = std::thread::available_parallelism().map_or(2, usize::from).min(files.len().max(1));
    for _ in 0..parallel {
        let (files, next, sender) = (files.clone(), next.clone(), sender.clone());
        let (summary, progress) = (summary.clone(), progress.clone());
        readers.spawn_blocking(move || {
            while let Some(input) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let origin = |line| Origin { path: input.path.clone(), line };
                let fault = |line, issue: String| {
                    report(Fault { origin: origin(line), issues: vec![issue] }, &summary, progress.as_ref());
                };
                let visit = |document: Document| {
                    let line = document.line;
                    let parsed = vesta_runtime::json::parse(&document.text).map_err(|error| error.to_string());
                    match parsed.and_then(items) {
                        Ok(items) => items.into_iter().all(|item| sender.blocking_send((origin(line), item)).is_ok()),
                        Err(issue) => {
                            fault(line, issue);
                            !sender.is_closed()
                        }
                    }
                };
                if let Err(error) = documents(&input.path, |bytes| progress.read(bytes), visit) {
                    fault(None, error.to_string());
                }
            }
        });
    }
    drop(sender);

    write(&door, receiver, &request_id, &summary, Some(&later), &progress).await?;
    readers.join_all().await;
    let again: Vec<Waiting> = std::mem::take(&mut *later.lock().unwrap_or_else(PoisonError::into_inner));
    if !again.is_empty() {
        let (sender, receiver) = mpsc::channel(again.len());
        for one in again {
            let _ = sender.try_send(one);
        }
        drop(sender);
        write(&door, receiver, &request_id, &summary, None, &progress).await?;
    }
    Ok(std::mem::take(&mut *summary.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Writes what comes, until nothing more does.
async fn write(
    door: &Arc<Door>,
    receiver: mpsc::Receiver<Waiting>,
    request_id: &str,
    summary: &Arc<Mutex<Summary>>,
    later: Option<&Arc<Mutex<Vec<Waiting>>>>,
    progress: &Arc<dyn Progress>,
) -> Result<(), String> {
    let receiver = Arc::new(AsyncMutex::new(receiver));
    let mut lanes = JoinSet::new();
    for lane in 0..door.width() {
        let (door, receiver, request_id) = (door.clone(), receiver.clone(), request_id.to_owned());
        let (summary, later, progress) = (summary.clone(), later.cloned(), progress.clone());
        lanes.spawn(async move {
            loop {
                let Some((origin, item)) = receiver.lock().await.recv().await else { return Ok(()) };
                let kept = matches!(item, Item::Transaction(_)).then(|| item.clone());
                let task = Task::Load { request_id: request_id.clone(), item };
                match door.ask(lane, task).await.map_err(|error| error.to_string())? {
                    Answer::Loaded(loaded) => {
                        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                        summary.add(loaded);
                        progress.written(summary.total());
                    }
                    Answer::Refused { may_succeed_later: true, .. } if later.is_some() && kept.is_some() => {
                        let mut later =
                            later.as_ref().map(|later| later.lock().unwrap_or_else(PoisonError::into_inner));
                        if let (Some(later), Some(item)) = (&mut later, kept) {
                            later.push((origin, item));
                        }
                    }
                    Answer::Refused { issues, .. } => {
                        summary.lock().unwrap_or_else(PoisonError::into_inner).faults += 1;
                        progress.fault(&Fault { origin, issues });
                    }
                    Answer::Failed(reason) => return Err(reason),
                    other => return Err(format!("an answer to another question: {other:?}")),
                }
            }
        });
    }
    let mut outcome = Ok(());
    while let Some(ended) = lanes.join_next().await {
        let ended = ended.map_err(|error| error.to_string()).and_then(|ended| ended);
        if let Err(error) = ended {
            // The readers notice that nobody listens, and end.
            lanes.abort_all();
            outcome = Err(error);
        }
    }
    outcome
}
