//! How a command beside a running server (`vesta import`, `vesta reindex`) hands it work: over a local socket in the
//! data folder, which only the folder's owner can reach. What is handed over is the request itself (a resource, a
//! Bundle, a command), not prepared rows: the server's own release parses, checks and indexes it, inside its own
//! writer.
//!
//! A frame is its length in four bytes, big-endian, and that many bytes. Each request frame is answered by one frame,
//! in order; a client opens several connections to have several under way.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::error::StoreError;

const FILE: &str = "vesta.sock";
/// A transaction Bundle of thousands of entries fits.
const LONGEST_FRAME: u32 = 512 << 20;
/// Connections at once; a further one waits to be accepted.
const CONNECTIONS: usize = 16;

/// What the server does with a request.
pub type Handler = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Bytes> + Send + Sync>;

/// The server's end; closed when dropped.
#[derive(Debug)]
pub struct LocalServer {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl LocalServer {
    /// Listens in the folder, whose [`super::FolderLock`] the caller holds (so that a socket found there is a dead
    /// server's, and is replaced).
    pub fn bind(folder: &Path, handler: Handler) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let unusable = |error: io::Error| {
            StoreError::Configuration(format!(
                "no local socket at {}: {error}. (A socket's path has at most about 100 bytes: choose a shorter --data)",
                path.display()
            ))
        };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        let owner = std::fs::metadata(folder).map_err(unusable)?.uid();
        let listener = UnixListener::bind(&path).map_err(unusable)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(unusable)?;
        let task = tokio::spawn(accept(listener, owner, handler));
        Ok(LocalServer { path, task })
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, owner: u32, handler: Handler) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                // The file's mode keeps others out already; this also holds where modes of sockets are not looked at.
                let peer = stream.peer_cred().map(|peer| peer.uid());
                if peer.is_ok_and(|peer| peer == owner || peer == 0) {
                    connections.spawn(serve(stream, handler.clone()));
                } else {
                    tracing::warn!("another user's connection to the local socket was refused");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the local socket does not accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(mut stream: UnixStream, handler: Handler) {
    // The client ends by closing; what it had under way is finished in any case.
    while let Ok(request) = read_frame(&mut stream).await {
        let answer = handler(request).await;
        if write_frame(&mut stream, &answer).await.is_err() {
            break;
        }
    }
}

/// A command's end: one connection.
#[derive(Debug)]
pub struct LocalClient {
    stream: UnixStream,
}

impl LocalClient {
    /// None where no server listens in the folder.
    pub async fn connect(folder: &Path) -> Option<Self> {
        UnixStream::connect(folder.join(FILE)).await.ok().map(|stream| LocalClient { stream })
    }

    pub async fn request(&mut self, request: &[u8]) -> Result<Bytes, StoreError> {
        let lost =
            |error: io::Error| StoreError::Unavailable(format!("the server beside this command is gone: {error}"));
        if request.len() > LONGEST_FRAME as usize {
            let (size, limit) = (request.len(), LONGEST_FRAME as usize);
            return Err(StoreError::TooLarge { what: "what is handed to the server in bytes", size, limit });
        }
        write_frame(&mut self.stream, request).await.map_err(lost)?;
        read_frame(&mut self.stream).await.map_err(lost)
    }
}

async fn read_frame(stream: &mut UnixStream) -> io::Result<Bytes> {
    let length = stream.read_u32().await?;
    if length > LONGEST_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than any request"));
    }
    // Grows with what really comes, not with what the length promises.
    let mut frame = Vec::with_capacity(length.min(1 << 20) as usize);
    let read = stream.take(length.into()).read_to_end(&mut frame).await?;
    if read != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame.into())
}

async fn write_frame(stream: &mut UnixStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    stream.write_u32(length).await?;
    stream.write_all(frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_answered_in_order_and_only_the_owner_may_connect() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(LocalClient::connect(folder.path()).await.is_none());
        let handler: Handler = Arc::new(|request| Box::pin(async move { Bytes::from([&request[..], b"!"].concat()) }));
        let server = LocalServer::bind(folder.path(), handler).expect("the server listens");
        let mode = std::fs::metadata(folder.path().join(FILE)).expect("the socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = LocalClient::connect(folder.path()).await.expect("connected");
        for text in ["a", "", "ccc"] {
            let answer = client.request(text.as_bytes()).await.expect("an answer");
            assert_eq!(answer, format!("{text}!"));
        }
        let large = vec![b'x'; 3 << 20];
        assert_eq!(client.request(&large).await.expect("an answer").len(), large.len() + 1);
        drop(server);
        assert!(LocalClient::connect(folder.path()).await.is_none());
    }

    #[tokio::test]
    async fn a_dead_servers_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(FILE)).expect("a socket is left"));
        let handler: Handler = Arc::new(|request| Box::pin(async move { request }));
        let _server = LocalServer::bind(folder.path(), handler).expect("the server listens");
        assert!(LocalClient::connect(folder.path()).await.is_some());
    }
}
