//! A worker: takes orders, makes their spans, says what became of them.
//!
//! Where a worker is lost with an order, the server gives it to another after a while. What was lost twice is made
//! alone, so that it takes no other with it; what was lost each time is given up, and recorded as such.

mod order;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Interval;

use crate::decode::Backend;
use crate::error::{Error, Reason, Result};
use crate::frames::{Frames, spans_at_once};
use crate::metrics::Metrics;
use crate::queue::broker::Broker;
use crate::queue::line::{ASK_FOR, Delivery, Line};
use crate::queue::names::Priority;
use crate::signals::Signals;

use order::{After, Making};

/// Times that orders are said to go on within the time that the server waits for it, if anything went on here
/// meanwhile.
const SAY_TIMES: u32 = 6;
const LEAST_EVERY: Duration = Duration::from_millis(100);
/// Between requests to a queue that does not answer as it should.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Deliveries from which on an order is made alone: two workers were lost with it.
const ALONE_FROM: u64 = 3;
/// For the last words to reach the server.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a worker works.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub backend: Backend,
    /// How long what it makes may go on after it is told to end.
    pub grace: Duration,
    /// Ends where there is nothing to do for so long; none: never.
    pub idle_exit: Option<Duration>,
}

pub struct Worker {
    broker: Broker,
    rules: Rules,
    making: Arc<Making>,
    lines: [Line; 2],
    /// Spans made at once, of each priority.
    room: usize,
    /// Taken, and not begun.
    waiting: VecDeque<Arc<Delivery>>,
    running: JoinSet<After>,
    begun: HashMap<Id, (Arc<Delivery>, AbortHandle)>,
    pulse: u64,
    paused: Option<(Instant, Duration)>,
    idle_since: Instant,
    made: u64,
    ends: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

/// What comes next.
enum Next {
    Order(Arc<Delivery>),
    Ended(Id, After),
    Tick,
    Nothing,
    End,
}

impl Worker {
    pub fn new(broker: Broker, frames: Frames, rules: Rules) -> Worker {
        Worker {
            lines: Priority::ALL.map(|priority| Line::new(&broker, priority)),
            room: spans_at_once(frames.workers()),
            metrics: frames.metrics().clone(),
            making: Arc::new(Making::new(broker.clone(), frames, rules.backend)),
            broker,
            rules,
            waiting: VecDeque::new(),
            running: JoinSet::new(),
            begun: HashMap::new(),
            pulse: 0,
            paused: None,
            idle_since: Instant::now(),
            made: 0,
            ends: Arc::default(),
        }
    }

    /// Becomes true once it takes no more orders.
    pub fn ends(&self) -> Arc<AtomicBool> {
        self.ends.clone()
    }

    /// Works until a signal comes, or there is nothing to do for as long as the rules say. Gives the spans that
    /// were made.
    ///
    /// # Errors
    /// What keeps this machine from making any span; what it had is handed back. QUEUE_UNAVAILABLE where it would end
    /// for want of orders, and cannot ask for any.
    pub async fn run(mut self, signals: &mut Signals) -> Result<u64> {
        let Some(ack_wait) = self.ack_wait(signals).await? else {
            return Ok(0);
        };
        let every = ack_wait / SAY_TIMES;
        let mut tick = tokio::time::interval(every.max(LEAST_EVERY));
        let ended = loop {
            self.begin().await;
            self.ask().await;
            self.tell();
            if let Some(ended) = self.is_idle_too_long() {
                break ended;
            }
            match self.next(&mut tick, signals).await {
                Next::Order(order) => self.waiting.push_back(order),
                Next::Ended(id, after) => {
                    if let Err(error) = self.ended(id, after) {
                        break Err(error);
                    }
                }
                Next::Tick => self.say_what_goes_on().await,
                Next::Nothing => {}
                Next::End => break Ok(()),
            }
        };
        self.end(signals, &mut tick).await;
        ended.map(|()| self.made)
    }

    /// How long the server waits for a word; none where a signal came before the queue could say it. A queue that is
    /// restarted in this very moment is waited for, as later.
    async fn ack_wait(&self, signals: &mut Signals) -> Result<Option<Duration>> {
        loop {
            match self.broker.ack_wait().await {
                Err(error) if error.reason() == Reason::QueueUnavailable => {
                    tracing::warn!(%error, "the queue cannot be asked yet");
                }
                said => return said.map(Some),
            }
            let idle = self.idle_since.elapsed();
            if self.rules.idle_exit.is_some_and(|limit| idle >= limit) {
                return self.broker.check_connected().map(|()| None);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = signals.next() => return Ok(None),
            }
        }
    }

    async fn next(&mut self, tick: &mut Interval, signals: &mut Signals) -> Next {
        let [readers, normal] = &mut self.lines;
        let came = tokio::select! {
            biased;
            _ = signals.next() => return Next::End,
            Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => {
                return match ended {
                    Ok((id, after)) => Next::Ended(id, after),
                    Err(failed) => Next::Ended(failed.id(), After::Stop(
                        Error::internal("an order's task failed").caused_by(failed),
                    )),
                };
            }
            came = readers.next() => came,
            came = normal.next() => came,
            _ = tick.tick() => return Next::Tick,
        };
        match came {
            Ok(Some(order)) => Next::Order(Arc::new(order)),
            Ok(None) => Next::Nothing,
            Err(error) => {
                self.pause(&error, PAUSE);
                Next::Nothing
            }
        }
    }

    /// Begins what may begin now. What came beside an order that is made alone goes back: it is not to be lost with it.
    async fn begin(&mut self) {
        while let Some(next) = self.waiting.front()
            && !self.has_one_alone()
            && (self.running.is_empty() || !is_alone(next))
        {
            if let Some(order) = self.waiting.pop_front() {
                let made = self.making.clone().make(order.clone());
                let task = self.running.spawn(made);
                self.begun.insert(task.id(), (order, task));
            }
        }
        if self.has_one_alone() {
            for order in std::mem::take(&mut self.waiting) {
                self.making.hand_back(&order).await;
            }
        }
    }

    fn has_one_alone(&self) -> bool {
        self.begun.values().any(|(order, _)| is_alone(order))
    }

    /// Asks for as many orders as there is room for.
    async fn ask(&mut self) {
        if self.paused.is_some_and(|(until, _)| Instant::now() < until) {
            return;
        }
        if self.has_one_alone() || !self.waiting.is_empty() {
            return;
        }
        for place in 0..self.lines.len() {
            let priority = Priority::ALL[place];
            let mine = |order: &Delivery| order.message.priority() == priority;
            let begun = self.begun.values().filter(|(order, _)| mine(order)).count();
            let room = self.room.saturating_sub(begun);
            if let Err(error) = self.lines[place].ask(room).await {
                self.pause(&error, PAUSE);
                return;
            }
        }
    }

    /// Asks for nothing for a while, longer each time.
    fn pause(&mut self, error: &Error, least: Duration) {
        let before = self.paused.map_or(Duration::ZERO, |(_, pause)| pause);
        let pause = least.max(before.saturating_mul(2)).min(MAX_PAUSE);
        tracing::warn!(%error, pause_secs = pause.as_secs(), "no orders are taken for a while");
        self.paused = Some((Instant::now() + pause, pause));
    }

    fn ended(&mut self, id: Id, after: After) -> Result<()> {
        let order = self.begun.remove(&id);
        self.idle_since = Instant::now();
        match after {
            After::Made => {
                self.made += 1;
                self.paused = None;
            }
            After::Left => {}
            After::Pause(error, least) => self.pause(&error, least),
            After::Stop(error) => {
                // What became of it is said already, unless its task failed.
                drop(order);
                return Err(error);
            }
        }
        Ok(())
    }

    fn tell(&self) {
        let orders = i64::try_from(self.orders().count()).unwrap_or(i64::MAX);
        self.metrics.queue("orders").set(orders);
    }

    fn orders(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.waiting
            .iter()
            .chain(self.begun.values().map(|(order, _)| order))
    }

    async fn say_what_goes_on(&mut self) {
        let pulse = self.making.pulse();
        if std::mem::replace(&mut self.pulse, pulse) == pulse {
            return;
        }
        for order in self.orders() {
            order.goes_on().await;
        }
    }

    /// Whether there was nothing to do for too long, and how that ends.
    fn is_idle_too_long(&mut self) -> Option<Result<()>> {
        let is_paused = self.paused.is_some_and(|(until, _)| Instant::now() < until);
        if is_paused || self.orders().next().is_some() {
            self.idle_since = Instant::now();
        }
        let limit = self.rules.idle_exit?;
        if self.idle_since.elapsed() < limit {
            return None;
        }
        Some(self.broker.check_connected())
    }

    /// Hands back what is not begun, lets the rest go on within the grace or until another signal, and hands back
    /// what is left, and what the server sends still that was asked for.
    async fn end(&mut self, signals: &mut Signals, tick: &mut Interval) {
        self.ends.store(true, Ordering::Relaxed);
        for order in std::mem::take(&mut self.waiting) {
            self.making.hand_back(&order).await;
        }
        let grace = self.rules.grace;
        let _ = tokio::time::timeout(
            grace,
            self.drain((signals, tick), |worker| !worker.running.is_empty()),
        )
        .await;
        for (_, (order, task)) in std::mem::take(&mut self.begun) {
            task.abort();
            self.making.hand_back(&order).await;
        }
        let asking = |worker: &Worker| worker.lines.iter().any(Line::is_asking);
        let _ = tokio::time::timeout(ASK_FOR + PAUSE, self.drain((signals, tick), asking)).await;
        let _ = tokio::time::timeout(LAST_WORDS, self.broker.flush()).await;
    }

    /// Begins nothing, while that is so.
    async fn drain(
        &mut self,
        (signals, tick): (&mut Signals, &mut Interval),
        goes_on: impl Fn(&Worker) -> bool,
    ) {
        while goes_on(self) {
            match self.next(tick, signals).await {
                Next::Order(order) => self.making.hand_back(&order).await,
                Next::Ended(id, after) => drop(self.ended(id, after)),
                Next::Tick => self.say_what_goes_on().await,
                Next::Nothing => {}
                Next::End => break,
            }
        }
    }
}

fn is_alone(order: &Delivery) -> bool {
    order.times >= ALONE_FROM
}
