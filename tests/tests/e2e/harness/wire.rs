//! What stands between two who talk: a wire that can be cut, and a balancer that sends to one of several.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Passes on what comes, until it is cut.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    to: Arc<Mutex<SocketAddr>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let is_cut = Arc::new(AtomicBool::new(false));
        let (connections, to) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(server)));
        let (cut, open, target) = (is_cut.clone(), connections.clone(), to.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Held until the connection is among those that are cut: none comes between.
                let mut open = open.lock().expect("no panic");
                if cut.load(Ordering::Acquire) {
                    let _ = client.shutdown(Shutdown::Both);
                    continue;
                }
                let server = TcpStream::connect(*target.lock().expect("no panic")).expect("the server answers");
                let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                open.extend([clone(&client), clone(&server)]);
                for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
                    std::thread::spawn(move || {
                        let mut buffer = [0; 16 << 10];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Wire { address, is_cut, to, connections }
    }

    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.end_all();
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }

    fn end_all(&self) {
        for connection in self.connections.lock().expect("no panic").drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// One address before several servers.
pub(crate) struct Balancer {
    wire: Wire,
    pub(crate) address: String,
}

impl Balancer {
    pub(crate) fn new() -> Self {
        let wire = Wire::to(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
        Balancer { address: format!("http://localhost:{}", wire.address.port()), wire }
    }

    /// From now on to the server at this address, also who has a connection.
    pub(crate) fn send_to(&self, address: &str) {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        *self.wire.to.lock().expect("no panic") = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.wire.end_all();
    }
}
