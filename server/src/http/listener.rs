//! Sockets: accepting, TLS, HTTP/1.1 and HTTP/2 with their limits, and stopping in bounded time.
//!
//! poem's own acceptor leaves Nagle's algorithm on, has no limit on the time or size of a request's head, and puts a
//! lock around every read and write: so connections are served here, and poem sees only whole requests.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::drain::Rest;
use crate::config::Limits;

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    address: SocketAddr,
    reason: String,
}

/// Takes the port, or says who might have it.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is in use. Stop the program that has it, or choose another with --listen".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not use that port. Choose one above 1023 with --listen".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address. Use one of its own, or 0.0.0.0 for all of them".to_owned()
            }
            _ => error.to_string(),
        };
        BindError { address, reason }
    })
}

/// Serves until `stop` is done, then lets running requests end, for `limits.shutdown_timeout` at most.
pub(super) async fn serve<E>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    endpoint: Arc<E>,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let connection = Connection {
        tls: tls.map(TlsAcceptor::from),
        endpoint,
        header_bytes: limits.header_bytes,
        header_timeout: limits.header_timeout,
        idle_timeout: limits.idle_timeout,
    };
    let connection = Arc::new(connection);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = connection.clone();
                let stopped = stopped.clone();
                tokio::spawn(async move {
                    if let Err(error) = connection.serve(stream, peer, stopped).await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only heat the machine.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(limits.shutdown_timeout, slots.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // A slot first: connections beyond the limit wait in the kernel's queue.
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

struct Connection<E> {
    tls: Option<TlsAcceptor>,
    endpoint: Arc<E>,
    header_bytes: usize,
    header_timeout: Duration,
    idle_timeout: Duration,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl<E: Endpoint<Output = Response> + 'static> Connection<E> {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, stopped: watch::Receiver<bool>) -> Result<(), AnyError> {
        let local = stream.local_addr()?;
        let Some(tls) = &self.tls else {
            return self.http1(stream, Scheme::HTTP, local, peer, stopped).await;
        };
        let stream = tokio::time::timeout(self.header_timeout, tls.accept(stream)).await??;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, local, peer, stopped).await
        } else {
            self.http1(stream, Scheme::HTTPS, local, peer, stopped).await
        }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        scheme: Scheme,
        local: SocketAddr,
        peer: SocketAddr,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), AnyError> {
        // The time for a head runs while the connection is idle too, so it is also the limit of that.
        let service = self.service(scheme, local, peer);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(self.header_bytes)
            .max_headers(100)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        local: SocketAddr,
        peer: SocketAddr,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), AnyError> {
        let service = self.service(Scheme::HTTPS, local, peer);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.header_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(200)
            .max_pending_accept_reset_streams(20)
            // A peer that is gone does not answer the ping.
            .keep_alive_interval(self.idle_timeout / 2)
            .keep_alive_timeout(self.idle_timeout / 2)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    fn service(
        &self,
        scheme: Scheme,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> impl hyper::service::Service<
        http::Request<Incoming>,
        Response = http::Response<BoxBody<Bytes, io::Error>>,
        Error = Infallible,
        Future: Send,
    > + use<E> {
        let endpoint = self.endpoint.clone();
        service_fn(move |request: http::Request<Incoming>| {
            let endpoint = endpoint.clone();
            let scheme = scheme.clone();
            async move {
                let mut request = (request, LocalAddr(local.into()), RemoteAddr(peer.into()), scheme).into();
                let rest = Rest::of(&mut request);
                let response = endpoint.get_response(request).await;
                if let Some(rest) = rest {
                    rest.drain().await;
                }
                Ok(response.into())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use poem::EndpointExt;
    use poem::endpoint::make_sync;
    use poem::http::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// "a server ... [that] closes a connection ... ought to ... read from the connection until it receives a
    /// corresponding close": RFC 9112, 9.6. <https://www.rfc-editor.org/rfc/rfc9112#section-9.6>
    #[tokio::test]
    async fn a_client_that_is_refused_while_it_sends_reads_the_answer_and_goes_on() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Arc::new(make_sync(|_| StatusCode::UNAUTHORIZED).map_to_response());
        let limits = crate::config::Config::default().limits;
        tokio::spawn(async move { serve(listener, None, endpoint, &limits, std::future::pending()).await });

        let mut client = TcpStream::connect(address).await.unwrap();
        let body = vec![b' '; 700_000];
        for _ in 0..2 {
            let head = format!("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n", body.len());
            client.write_all(head.as_bytes()).await.unwrap();
            client.write_all(&body).await.expect("all of the body is taken");
            let mut answer = vec![0; 1_024];
            let length = client.read(&mut answer).await.expect("an answer");
            assert!(answer[..length].starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer[..length]));
        }
    }
}
