//! An import: files are read in parallel, their items written through many lanes, and what became of them is counted.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinSet;

use super::{Document, Input, Inputs, documents};
use crate::clock::Ids;
use crate::maintenance::{Answer, Done, Door, Loaded, Outcome, Refused, Source, Task};

/// Documents are handed over so many together, or as soon as their texts are so long in all.
const TOGETHER: usize = 64;
const LONG: usize = 512 << 10;
/// Groups of documents that wait to be written, so that memory does not fill.
const WAITING: usize = 8;

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
    /// What nothing was taken of: documents, Bundles, entries of a batch.
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

/// Documents that are written together, each with where it stands.
type Group = Vec<(Origin, Source)>;

/// What an import hands from one part to the other.
struct Import {
    door: Arc<Door>,
    request_id: String,
    summary: Mutex<Summary>,
    progress: Arc<dyn Progress>,
    /// What may succeed once the rest is there; it is tried a second time, after all others.
    later: Mutex<Group>,
}

impl Import {
    fn fault(&self, origin: Origin, issues: Vec<String>) {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).faults += 1;
        self.progress.fault(&Fault { origin, issues });
    }

    /// Reads files until there are no more, or nobody listens.
    fn read(&self, files: &[Input], next: &AtomicUsize, sender: &mpsc::Sender<Group>) {
        let (mut group, mut length) = (Group::new(), 0);
        while let Some(input) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let visit = |Document { line, text }| {
                let origin = Origin { path: input.path.clone(), line };
                match String::from_utf8(text) {
                    Ok(text) => {
                        length += text.len();
                        group.push((origin, Source { text, only: None }));
                    }
                    Err(error) => self.fault(origin, vec![format!("not UTF-8: {}", error.utf8_error())]),
                }
                if group.len() < TOGETHER && length < LONG {
                    return !sender.is_closed();
                }
                length = 0;
                sender.blocking_send(std::mem::take(&mut group)).is_ok()
            };
            if let Err(error) = documents(&input.path, |bytes| self.progress.read(bytes), visit) {
                self.fault(Origin { path: input.path.clone(), line: None }, vec![error.to_string()]);
            }
        }
        if !group.is_empty() {
            // Nobody listens any more if this fails: the import has ended with an error.
            let _ = sender.blocking_send(group);
        }
    }

    fn note(&self, origin: Origin, source: Source, outcome: Outcome, is_last: bool) {
        let written = {
            let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(outcome.loaded);
            summary.total()
        };
        self.progress.written(written);
        let mut later = Vec::new();
        for Refused { item, issues, may_succeed_later } in outcome.refused {
            if may_succeed_later && !is_last {
                later.push(item);
            } else {
                self.fault(origin.clone(), issues);
            }
        }
        if !later.is_empty() {
            let source = Source { only: Some(later), ..source };
            self.later.lock().unwrap_or_else(PoisonError::into_inner).push((origin, source));
        }
    }
}

/// Imports the files. A fault stops nothing; the error is of the store that was lost.
pub async fn run(door: Arc<Door>, inputs: Inputs, ids: Ids, progress: Arc<dyn Progress>) -> Result<Summary, String> {
    let (summary, later) = Default::default();
    let import = Arc::new(Import { door, request_id: ids.next(), summary, progress, later });
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut readers = JoinSet::new();
    let files = Arc::new(inputs.files);
    let next = Arc::new(AtomicUsize::new(0));
    let parallel = std::thread::available_parallelism().map_or(2, usize::from).min(files.len().max(1));
    for _ in 0..parallel {
        let (import, files, next, sender) = (import.clone(), files.clone(), next.clone(), sender.clone());
        readers.spawn_blocking(move || import.read(&files, &next, &sender));
    }
    drop(sender);
    write(&import, receiver, false).await?;
    readers.join_all().await;

    let again = std::mem::take(&mut *import.later.lock().unwrap_or_else(PoisonError::into_inner));
    if !again.is_empty() {
        let (sender, receiver) = mpsc::channel(again.len());
        for one in again {
            let _ = sender.try_send(vec![one]);
        }
        drop(sender);
        write(&import, receiver, true).await?;
    }
    Ok(std::mem::take(&mut *import.summary.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Imports documents that are made here, as `run` does files; `made_by` stands for the file in what is told.
pub async fn run_documents(
    door: Arc<Door>,
    made_by: &'static str,
    documents: impl Iterator<Item = String> + Send + 'static,
    ids: Ids,
    progress: Arc<dyn Progress>,
) -> Result<Summary, String> {
    let (summary, later) = Default::default();
    let import = Arc::new(Import { door, request_id: ids.next(), summary, progress, later });
    let (sender, receiver) = mpsc::channel(WAITING);
    let maker = tokio::task::spawn_blocking(move || {
        for text in documents {
            let origin = Origin { path: PathBuf::from(made_by), line: None };
            if sender.blocking_send(vec![(origin, Source { text, only: None })]).is_err() {
                break;
            }
        }
    });
    write(&import, receiver, true).await?;
    maker.await.map_err(|error| error.to_string())?;
    Ok(std::mem::take(&mut *import.summary.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Writes what comes, until nothing more does.
async fn write(import: &Arc<Import>, receiver: mpsc::Receiver<Group>, is_last: bool) -> Result<(), String> {
    let receiver = Arc::new(AsyncMutex::new(receiver));
    let mut lanes = JoinSet::new();
    for lane in 0..import.door.width() {
        let (import, receiver) = (import.clone(), receiver.clone());
        lanes.spawn(async move {
            loop {
                let Some(group) = receiver.lock().await.recv().await else { return Ok(()) };
                let documents = group.iter().map(|(_, source)| source.clone()).collect();
                let task = Task::Load { request_id: import.request_id.clone(), documents };
                match import.door.ask(lane, task).await.map_err(|error| error.to_string())? {
                    Answer::Loaded(outcomes) => {
                        for ((origin, source), outcome) in group.into_iter().zip(outcomes) {
                            import.note(origin, source, outcome, is_last);
                        }
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
