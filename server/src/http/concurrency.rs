//! How many requests are worked on at once. One more is refused at once, with when to come again: a server that is
//! asked too much must answer so, and not let everybody wait.

use poem::{Endpoint, Request, Response};
use tokio::sync::Semaphore;

use super::answer::Refusal;
use super::entry::{RequestId, Template};
use crate::fhir::{Error, Issue, IssueType, Kind};

/// An endpoint that answers a bounded number of requests at once.
pub(super) struct Concurrency<E> {
    inner: E,
    permits: Semaphore,
    limit: usize,
    template: Template,
}

impl<E: Endpoint<Output = Response>> Concurrency<E> {
    /// `template` is what metrics call the route of a request that was refused.
    pub(super) fn limited(inner: E, limit: usize, template: Template) -> Concurrency<E> {
        Concurrency { inner, permits: Semaphore::new(limit), limit, template }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Concurrency<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let Ok(_permit) = self.permits.try_acquire() else {
            let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            let issue = Issue::error(
                IssueType::Throttled,
                format!("no more than {} requests are answered at once: send it again after a while", self.limit),
            );
            let refusal = Refusal::from(Error::from_issue(Kind::Unavailable, issue));
            let mut response = refusal.into_response(&request_id);
            response.set_data(self.template);
            return Ok(response);
        };
        self.inner.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;
    use serde_json::Value;
    use tokio::sync::Notify;

    use super::*;

    /// Says when it was asked, and answers when it is told to.
    struct Slow {
        asked: Arc<Notify>,
        go_on: Arc<Notify>,
    }

    impl Endpoint for Slow {
        type Output = Response;

        async fn call(&self, _: Request) -> poem::Result<Response> {
            self.asked.notify_one();
            self.go_on.notified().await;
            Ok(Response::builder().status(StatusCode::OK).finish())
        }
    }

    /// "503 … MAY send a Retry-After header field": <https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4>
    #[tokio::test]
    async fn one_request_too_many_is_refused_at_once_and_taken_when_another_is_done() {
        let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = Slow { asked: asked.clone(), go_on: go_on.clone() };
        let endpoint = Arc::new(Concurrency::limited(slow, 1, Template("/test")));
        let call = || {
            let endpoint = endpoint.clone();
            tokio::spawn(async move { endpoint.call(Request::default()).await.unwrap() })
        };
        let first = call();
        asked.notified().await;
        let refused = call().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let outcome: Value = serde_json::from_slice(&refused.into_body().into_bytes().await.unwrap()).unwrap();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert_eq!(outcome["issue"][0]["code"], "throttled");

        go_on.notify_one();
        assert_eq!(first.await.unwrap().status(), StatusCode::OK);
        let next = call();
        asked.notified().await;
        // Who hangs up while being answered makes room as well.
        next.abort();
        assert!(next.await.unwrap_err().is_cancelled());
        let last = call();
        asked.notified().await;
        go_on.notify_one();
        assert_eq!(last.await.unwrap().status(), StatusCode::OK);
    }
}
