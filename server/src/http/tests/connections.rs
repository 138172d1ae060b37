//! Over real sockets: TLS with the folder's own authority, HTTP/1.1, limits of the head, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::http::Server;
use crate::site::DataFolder;

struct Running {
    address: SocketAddr,
    authority: Option<std::path::PathBuf>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn running(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    change(&mut config);
    let data = DataFolder::open(folder.path()).unwrap();
    let server = Server::start(Arc::new(config), data, Clock::system(), Ids::system()).await.unwrap();
    let (address, authority) = (server.address(), server.authority());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { address, authority, stop: Some(stop), task, _folder: folder }
}

impl Running {
    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// Sends text and reads all that comes until the other side closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served_over_tls() {
    let running = running(|_| ()).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(running.authority.clone().unwrap()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let stream = TlsConnector::from(Arc::new(config.clone())).connect(name, stream).await.unwrap();
        assert!(exchange(stream, LIVE).await.starts_with("HTTP/1.1 200"));
    }
    let stream = TcpStream::connect(running.address).await.unwrap();
    let other = ServerName::try_from("other.example.org").unwrap();
    assert!(TlsConnector::from(Arc::new(config)).connect(other, stream).await.is_err());
}

#[tokio::test]
async fn heads_are_limited_in_size_and_time() {
    let running = running(|config| {
        config.http = true;
        config.limits.header_timeout = Duration::from_millis(300);
    })
    .await;
    let connect = async || TcpStream::connect(running.address).await.unwrap();
    let long = format!("GET /health/live HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    assert!(exchange(connect().await, &long).await.starts_with("HTTP/1.1 431"));
    let slow = tokio::time::timeout(Duration::from_secs(5), exchange(connect().await, "GET /health/live HT")).await;
    assert!(slow.is_ok(), "a head that does not end is cut off");
    assert!(exchange(connect().await, LIVE).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stopping_lets_a_request_end_and_is_bounded() {
    let mut running = running(|config| {
        config.http = true;
        config.limits.shutdown_timeout = Duration::from_millis(500);
        config.limits.header_timeout = Duration::from_secs(60);
    })
    .await;
    // An idle connection, and one whose head never ends.
    let idle = TcpStream::connect(running.address).await.unwrap();
    let mut stuck = TcpStream::connect(running.address).await.unwrap();
    stuck.write_all(b"GET /he").await.unwrap();
    assert!(exchange(TcpStream::connect(running.address).await.unwrap(), LIVE).await.starts_with("HTTP/1.1 200"));
    running.stop();
    tokio::time::timeout(Duration::from_secs(10), &mut running.task).await.expect("it stops in time").unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "the port is free again");
    drop(idle);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.listen = taken.local_addr().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let error = Server::start(Arc::new(config), data, Clock::system(), Ids::system()).await.err().unwrap().to_string();
    assert!(error.contains("in use") && error.contains("--listen"), "{error}");
}
