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

    fn observe(&mut self, now: Instant) {
        let seen = (self.progress.activity(), self.progress.requests());
        if seen != self.seen {
            self.seen = seen;
            self.since = now;
            self.room = None;
        }
    }

    fn step(&mut self, context: &mut Context<'_>) -> Step {
        let mut now = Instant::now();
        self.observe(now);
        let (activity, requests) = self.seen;
        let idle = activity == Activity::Idle;
        if self.closing_since.is_some() && idle && requests > 0 && !self.progress.has_pending() {
            return Step::Leave;
        }
        loop {
            if let Some(room) = &mut self.room
                && room.as_mut().poll(context).is_ready()
            {
                return if activity == Activity::Head { Step::Cut } else { Step::Leave };
            }
            let due = self.due(now);
            if now >= due {
                match activity {
                    Activity::Head if self.room.is_some() || self.closing_since.is_some() => {
                        return Step::HeadLate;
                    }
                    Activity::Head => self.make_room(&self.gate.stalled),
                    Activity::Idle if self.room.is_some() || self.closing_since.is_some() => {
                        return Step::Leave;
                    }
                    Activity::Idle => self.make_room(&self.gate.idle),
                    Activity::Busy => {}
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
    fn due(&self, now: Instant) -> Instant {
        let Settings { idle_timeout, body_timeout, .. } = self.gate.settings;
        match (self.seen.0, self.closing_since) {
            (Activity::Head, None) if self.room.is_none() => self.since + SETTLED.min(body_timeout),
            (Activity::Head, _) => self.since + body_timeout,
            (Activity::Idle, Some(closing_since)) => closing_since + FIRST_REQUEST,
            (Activity::Idle, None) if self.room.is_none() => self.since + SETTLED.min(idle_timeout),
            (Activity::Idle, None) => self.since + idle_timeout,
            // Its answer has time limits of its own.
            (Activity::Busy, _) => now + idle_timeout,
        }
    }
}
