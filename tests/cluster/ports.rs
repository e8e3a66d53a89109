//! Ports for servers that must be told theirs before they start.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below all that Linux gives to whom asks for any port (`ip_local_port_range`): a port of those can be the near end of
/// somebody's connection by the time that the server asks for it.
const FIRST: u16 = 15_000;
const COUNT: usize = 15_000;

/// `N` ports that nobody listens on, and that this process has not given before.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    // Test runs beside each other begin at different ports.
    let start = process::id() as usize * 97;
    let next = || FIRST + ((start + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    [(); N].map(|()| (0..COUNT).map(|_| next()).find(is_free).unwrap())
}
