//! What operators see: logs and metrics. Neither holds query values, ids of resources or anything else of a patient.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::panic;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::store::{ReindexProgress, Waiting};

const DURATION: &str = "vesta_http_request_duration_seconds";
const REQUESTS: &str = "vesta_http_requests_total";

const UPKEEP: Duration = Duration::from_secs(5);

thread_local! {
    /// What the last panic of this thread was: set by the hook, taken by whoever catches it.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
    static COUNTED: RefCell<HashMap<(&'static str, &'static str, &'static str), Counted>> = RefCell::default();
}

/// Panics go to the log like all else. A message that was put together at run time can hold a patient's data (the text
/// that a slice was taken of): the place must do.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = message(panic.payload());
        tracing::error!(place, message, "a fault of the program");
        PANICKED.set(Some(format!("{message} at {place}")));
    }));
}

fn message(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a panic, whose message is kept back")
}

/// What was caught on this thread just now, for the log.
pub(super) fn panicked() -> String {
    PANICKED.take().unwrap_or_else(|| "a panic".to_owned())
}

/// Logs go to standard error: standard output is for what a command was asked for.
pub fn start_log(log: &Log) {
    let filter = EnvFilter::builder().parse_lossy(&log.level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    // A second start in one process keeps the first subscriber.
    let _ = match log.format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    log_panics();
}

/// The process's metrics, rendered by `/metrics`.
pub(super) fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &buckets)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the server may have a recorder already; then this one stays empty.
        let _ = metrics::set_global_recorder(recorder);
        metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
        metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "Time from a request's head to its answer's.");
        handle
    })
}

/// Keeps the metrics small for as long as the server runs: each request leaves a sample, which would otherwise stay
/// until somebody asks for `/metrics`.
pub(super) async fn upkeep() {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics().run_upkeep();
    }
}

/// The metrics of one kind of request.
#[derive(Clone)]
struct Counted {
    requests: metrics::Counter,
    durations: metrics::Histogram,
}

/// Counts an answered request. `route` is a template, never a path.
pub(super) fn count_request(method: &'static str, route: &'static str, status: u16, took: Duration) {
    let status = status_label(status);
    // To look metrics up by their labels costs more than all else that is counted here; there are a few hundred kinds.
    let counted = COUNTED.with_borrow_mut(|known| {
        let made = || Counted {
            requests: metrics::counter!(REQUESTS, "method" => method, "route" => route, "status" => status),
            durations: metrics::histogram!(DURATION, "method" => method, "route" => route),
        };
        known.entry((method, route, status)).or_insert_with(made).clone()
    });
    counted.requests.increment(1);
    counted.durations.record(took.as_secs_f64());
}

/// What waits for a site's writer at the moment; none: it has stopped.
pub(super) fn note_waiting(site: &str, waiting: Option<Waiting>) {
    metrics::gauge!("vesta_writer_alive", "site" => site.to_owned()).set(f64::from(u8::from(waiting.is_some())));
    let Some(waiting) = waiting else { return };
    for (line, length) in [("requests", waiting.requests), ("bulk", waiting.bulk), ("audit", waiting.audit)] {
        metrics::gauge!("vesta_writer_waiting", "site" => site.to_owned(), "line" => line).set(length as f64);
    }
}

/// How far the rows of new and changed search parameters have come.
pub(super) fn note_reindexing(site: &str, progress: ReindexProgress) {
    for (state, count) in [("pending", progress.pending), ("retired", progress.retired)] {
        metrics::gauge!("vesta_reindex_parameters", "site" => site.to_owned(), "state" => state).set(count as f64);
    }
    for (part, count) in [("done", progress.done), ("all", progress.last)] {
        metrics::gauge!("vesta_reindex_keys", "site" => site.to_owned(), "part" => part).set(count as f64);
    }
}

/// Known statuses as static text, so that no label is allocated.
fn status_label(status: u16) -> &'static str {
    const KNOWN: [(u16, &str); 24] = [
        (200, "200"),
        (201, "201"),
        (202, "202"),
        (204, "204"),
        (304, "304"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (406, "406"),
        (409, "409"),
        (410, "410"),
        (412, "412"),
        (413, "413"),
        (414, "414"),
        (415, "415"),
        (422, "422"),
        (429, "429"),
        (431, "431"),
        (500, "500"),
        (501, "501"),
        (503, "503"),
        (504, "504"),
    ];
    KNOWN.iter().find(|(known, _)| *known == status).map_or("other", |(_, label)| label)
}

/// The methods that may be a label; a client can send any word.
pub(super) fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fhir::{Error, Kind};
    use crate::http::answer::Refusal;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The OperationOutcome of a 5xx sends its reader to the log: there the id finds why.
    #[test]
    fn a_fault_is_logged_with_all_its_causes_under_the_request_id_and_a_refusal_is_not() {
        #[derive(Debug, thiserror::Error)]
        #[error("the file is not to be had")]
        struct Outer(#[source] io::Error);

        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let cause = Outer(io::Error::other("disk full"));
            let fault = Error::new(Kind::Internal, "The store failed.").caused_by(cause);
            Refusal::from(fault).into_response("request-7");
            Refusal::from(Error::new(Kind::Invalid, "Doe is no date.")).into_response("request-8");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("request-7") && text.contains("the file is not to be had: disk full"), "{text}");
        assert!(!text.contains("request-8") && !text.contains("Doe"), "{text}");
    }

    #[test]
    fn a_panic_says_only_what_was_written_in_the_program() {
        let caught = |run: fn()| panic::catch_unwind(run).unwrap_err();
        assert_eq!(message(&*caught(|| panic!("no such state"))), "no such state");
        let name = message(&*caught(|| panic!("{}", String::from("Doe"))));
        assert!(!name.contains("Doe"), "{name}");
    }
}
