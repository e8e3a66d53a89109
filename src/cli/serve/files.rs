//! File descriptors: as many as are needed, and never all of them for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many the admin port, the watches of the cluster, certificates, policies and logs may take.
const OTHERS: u64 = 128;

/// How many of the wanted connections can be open at once. The limit on open files is raised for them as far as it may be:
/// many systems start a process with 1024. Connections that took the last one would keep probes, new certificates and
/// the audit log from theirs.
pub(super) fn connections(wanted: usize) -> usize {
    let needed = (wanted as u64).saturating_add(OTHERS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let highest = maximum.map_or(needed, |maximum| needed.min(maximum));
    if current.is_some_and(|current| current < highest) {
        // What cannot be raised is told below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(highest), maximum });
    }
    let Some(limit) = getrlimit(Resource::Nofile).current else { return wanted };
    let possible = possible(wanted, limit);
    if possible < wanted {
        tracing::warn!(
            limit,
            wanted,
            possible,
            "the limit on open files is too low for --max-connections; raise it, or lower --max-connections"
        );
    }
    possible
}

fn possible(wanted: usize, limit: u64) -> usize {
    let left = limit.saturating_sub(OTHERS).max(limit / 4).max(1);
    usize::try_from(left).map_or(wanted, |left| left.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (wanted, limit, expected) in
            [(1024, 1152, 1024), (1024, 1024, 896), (1024, 200, 72), (1024, 64, 16), (8, 1024, 8), (8, 0, 1)]
        {
            assert_eq!(possible(wanted, limit), expected, "{wanted} of {limit}");
        }
    }
}
