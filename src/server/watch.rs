//! What decides that a connection has lasted long enough.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::Settings;
use super::listener::{Gate, Movable};
use super::wire::{Activity, Progress};

/// How long a connection is left alone before it may have to make room for another.
pub(super) const SETTLED: Duration = Duration::from_secs(1);
/// How long a connection that is to end may take to bring the request that it was opened for.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What to do with a connection that has just been polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait for what comes.
    Wait,
    /// Poll it again: there may be something to read that it has not heard of.
    Again,
    /// Shut it down gracefully: it has nothing to answer.
    Leave,
    /// Give it up: a request's head has taken too long.
    HeadLate,
    /// End it at once, for one that may bring its request whole.
    Cut,
}

/// Watches one connection. Polled after it, in the same task.
pub(super) struct Watch<'a> {
    gate: &'a Gate,
    progress: &'a Progress,
    seen: (Activity, u64),
    since: Instant,
    /// Fires no later than the next time limit, and usually sooner: moving it with every request would cost
    /// more than a look too many.
    timer: Pin<Box<Sleep>>,
    closing: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
    closing_since: Option<Instant>,
    room: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    leaving: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(gate: &'a Gate, progress: &'a Progress) -> Self {
        Self {
            gate,
            progress,
            seen: (Activity::Idle, 0),
            since: Instant::now(),
            timer: Box::pin(sleep(SETTLED)),
            closing: Box::pin(gate.drain.closing()),
            closing_since: None,
            room: None,
            leaving: false,
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Step {
        if self.leaving {
            return Step::Wait;
        }
        if self.closing_since.is_none() && self.closing.as_mut().poll(context).is_ready() {
            self.closing_since = Some(Instant::now());
            self.progress.probe();
            return Step::Again;
        }
        let step = self.step(context);
        self.leaving = step == Step::Leave;
        step
    }

    fn step(&mut self, context: &mut Context<'_>) -> Step {
        let seen = (self.progress.activity(), self.progress.requests());
        let (activity, requests) = seen;
        if activity == Activity::Busy {
            // Its answer has time limits of its own.
            (self.seen, self.room) = (seen, None);
            return Step::Wait;
        }
        let mut now = Instant::now();
        if seen != self.seen {
            (self.seen, self.since, self.room) = (seen, now, None);
        }
        let is_head = activity == Activity::Head;
        if self.closing_since.is_some() && !is_head && requests > 0 && !self.progress.has_pending() {
            return Step::Leave;
        }
        loop {
            if let Some(room) = &mut self.room
                && room.as_mut().poll(context).is_ready()
            {
                return if is_head { Step::Cut } else { Step::Leave };
            }
            let due = self.due(is_head);
            if now >= due {
                match (is_head, self.room.is_some() || self.closing_since.is_some()) {
                    (true, true) => return Step::HeadLate,
                    (false, true) => return Step::Leave,
                    (true, false) => self.make_room(&self.gate.stalled),
                    (false, false) => self.make_room(&self.gate.idle),
                }
                continue;
            }
            if self.timer.deadline() > due || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return Step::Wait;
            }
            now = Instant::now();
        }
    }

    fn make_room(&mut self, among: &'a Movable) {
        self.room = Some(Box::pin(self.gate.asked_for_room(among)));
    }

    /// When to look again at the latest.
    fn due(&self, is_head: bool) -> Instant {
        let Settings { idle_timeout, body_timeout, .. } = self.gate.settings;
        let limit = if is_head { body_timeout } else { idle_timeout };
        match self.closing_since {
            Some(closing_since) if !is_head => closing_since + FIRST_REQUEST,
            None if self.room.is_none() => self.since + SETTLED.min(limit),
            _ => self.since + limit,
        }
    }
}
