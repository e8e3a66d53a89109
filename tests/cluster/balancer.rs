//! What a Service is to an API server: one address, behind it whoever is there.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes each connection on to one of its ports in turn; to the next, where nobody listens.
pub(crate) struct Balancer {
    address: SocketAddr,
    ports: Arc<Mutex<Vec<u16>>>,
}

impl Balancer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ports = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&ports);
        // It ends with the tests: there is nobody left to connect.
        thread::spawn(move || {
            let turn = AtomicUsize::new(0);
            for client in listener.incoming().map_while(Result::ok) {
                let ports: Vec<u16> = shared.lock().unwrap().clone();
                let first = turn.fetch_add(1, Ordering::Relaxed);
                let mut in_turn = (0..ports.len()).map(|number| ports[(first + number) % ports.len()]);
                if let Some(server) = in_turn.find_map(|port| TcpStream::connect(("127.0.0.1", port)).ok()) {
                    pass(&client, &server);
                }
            }
        });
        Self { address, ports }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it pass connections on to this port too: its readiness probe has succeeded.
    pub(crate) fn add(&self, port: u16) {
        let mut ports = self.ports.lock().unwrap();
        if !ports.contains(&port) {
            ports.push(port);
        }
    }

    pub(crate) fn remove(&self, port: u16) {
        self.ports.lock().unwrap().retain(|known| *known != port);
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.ports.lock().unwrap().clone()
    }
}

fn pass(client: &TcpStream, server: &TcpStream) {
    for (from, to) in [(client, server), (server, client)] {
        let _ = from.set_nodelay(true);
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}
