//! The rest of a request that is refused before its body was read. Were the connection closed over it, the client,
//! still sending, would see it cut and never read the answer (RFC 9112, 9.6): so the rest is read and thrown away,
//! within bounds.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use poem::{Body, Request};

/// Beyond, the connection is closed over what still comes.
const LONGEST: usize = 1 << 20;
const TIME: Duration = Duration::from_secs(2);

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// A body that two have a hand on: the endpoint reads it, and whoever serves the connection what it left.
#[derive(Clone)]
pub(super) struct Rest(Arc<Mutex<Pieces>>);

impl Rest {
    /// The hand on a request's body; none where there is none, or where the client waits to be asked for it (RFC 9110,
    /// 10.1.1).
    pub(super) fn of(request: &mut Request) -> Option<Rest> {
        let has_body = request.headers().contains_key(http::header::CONTENT_LENGTH)
            || request.headers().contains_key(http::header::TRANSFER_ENCODING);
        if !has_body || request.headers().contains_key(http::header::EXPECT) {
            return None;
        }
        let rest = Rest(Arc::new(Mutex::new(request.take_body().into_bytes_stream().boxed())));
        request.set_body(Body::from_bytes_stream(rest.clone()));
        Some(rest)
    }

    /// Reads on to the end, as far as the bounds go.
    pub(super) async fn drain(mut self) {
        let read = async {
            let mut length = 0;
            while let Some(Ok(piece)) = self.next().await {
                length += piece.len();
                if length > LONGEST {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(TIME, read).await;
    }
}

impl Stream for Rest {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}
