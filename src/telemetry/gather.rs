//! Taking what waits in a queue together: for a thread to be woken for each of many costs the CPU more than to make it.

use std::iter;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

/// For how long it is waited for more.
const MOMENT: Duration = Duration::from_millis(5);

/// Waits for something, and takes what comes within a moment of it too. `None` once nobody can send any more.
pub fn gathered<T>(queue: &Receiver<T>) -> Option<impl Iterator<Item = T>> {
    let first = queue.recv().ok()?;
    thread::sleep(MOMENT);
    Some(iter::once(first).chain(queue.try_iter()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn nothing_is_left_behind_and_the_end_is_told() {
        let (sender, queue) = channel();
        (0..3).for_each(|number| sender.send(number).unwrap());
        drop(sender);
        assert_eq!(gathered(&queue).unwrap().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(gathered(&queue).is_none());
    }
}
