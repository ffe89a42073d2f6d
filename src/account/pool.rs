//! One kind of what is scarce: how much is held, and who waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::account::hold::Hold;
use crate::account::{Account, Kind, Means};

/// An address may hold so many times as much as one of its connections.
const HOST_TIMES: u64 = 3;

/// Holds are never dropped under its lock: their drop takes it.
pub(super) struct Pool {
    kind: Kind,
    capacity: u64,
    max_wait: Duration,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Default)]
struct State {
    /// By everybody; more than there is while a connection has its one known answer beyond it.
    held: u64,
    /// Of each call that waits, the one that began first in front: it has all of what it waits for before
    /// the next one begins, so that calls end one after the other, and few are half done.
    lines: VecDeque<Line>,
}

struct Line {
    account: Account,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    asked: Asked,
    granted: oneshot::Sender<Hold>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub kind: Kind,
    pub amount: u64,
    /// It is in memory whether it is given or not.
    known: bool,
}

impl Asked {
    pub fn new(kind: Kind, amount: u64) -> Asked {
        Asked {
            kind,
            amount,
            known: false,
        }
    }

    pub fn known(amount: u64) -> Asked {
        Asked {
            known: true,
            ..Asked::new(Kind::Answers, amount)
        }
    }
}

impl Pool {
    pub fn new(kind: Kind, means: &Means) -> Pool {
        Pool {
            kind,
            capacity: means.of(kind).max(1),
            max_wait: means.max_wait,
            state: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    #[cfg(test)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    pub fn held(&self) -> u64 {
        self.lock().held
    }

    pub fn most(&self) -> u64 {
        self.kind.most(self.capacity)
    }

    pub fn take_now(self: &Arc<Self>, account: &Account, asked: Asked) -> Option<Hold> {
        let asked = self.clamped(asked);
        let mut state = self.lock();
        let given = self.may(&state, account, asked);
        given.then(|| self.give(&mut state, account, asked))
    }

    pub async fn take(self: &Arc<Self>, account: &Account, asked: Asked) -> Option<Hold> {
        let asked = self.clamped(asked);
        let granted = {
            let mut state = self.lock();
            // Who waits could not have it; only of the same call nobody is overtaken.
            if !state.waits(account) && self.may(&state, account, asked) {
                return Some(self.give(&mut state, account, asked));
            }
            state.wait(account, asked)
        };
        tokio::time::timeout(self.max_wait, granted)
            .await
            .ok()?
            .ok()
    }

    fn clamped(&self, asked: Asked) -> Asked {
        let amount = asked.amount.min(self.most());
        Asked { amount, ..asked }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may(&self, state: &State, account: &Account, asked: Asked) -> bool {
        let nothing = asked.amount == 0;
        if nothing || asked.known && account.peer.held(self.kind) == 0 {
            return true;
        }
        let free = self.capacity.saturating_sub(state.held);
        let Some(left) = free.checked_sub(asked.amount) else {
            return false;
        };
        match self.kind.times() {
            Some(times) if !account.peer.is_own() => self.fits(
                account,
                asked.amount,
                left.saturating_mul(times).min(self.most()),
            ),
            _ => true,
        }
    }

    /// Whether the connection may hold so much more, and its address.
    fn fits(&self, account: &Account, amount: u64, most: u64) -> bool {
        let most = [most, most.saturating_mul(HOST_TIMES)];
        let mut holders = account.peer.holders().zip(most);
        holders.all(|(holder, most)| {
            let held = holder.held(self.kind);
            // Of a few slots even one may be more than is left.
            held + amount <= most || held == 0 && amount == 1
        })
    }

    fn give(self: &Arc<Self>, state: &mut State, account: &Account, asked: Asked) -> Hold {
        state.held += asked.amount;
        let holders = account.peer.holders();
        holders.for_each(|holder| holder.add(self.kind, asked.amount));
        Hold::new(self, account, asked.amount)
    }

    pub fn give_back(self: &Arc<Self>, account: &Account, amount: u64) {
        let mut state = self.lock();
        state.held -= amount;
        let holders = account.peer.holders();
        holders.for_each(|holder| holder.sub(self.kind, amount));
        let granted = self.grant(&mut state);
        let empty = state.held == 0;
        drop(state);
        if empty {
            self.emptied.notify_waiters();
        }
        for (waiter, hold) in granted {
            // Who went away meanwhile gives it back here.
            let _ = waiter.granted.send(hold);
        }
    }

    /// To those who hold least, as long as there is some.
    fn grant(self: &Arc<Self>, state: &mut State) -> Vec<(Waiter, Hold)> {
        let mut granted = Vec::new();
        state.forget_the_gone();
        while let Some((account, waiter)) = self.next(state) {
            let hold = self.give(state, &account, waiter.asked);
            granted.push((waiter, hold));
        }
        granted
    }

    fn next(&self, state: &mut State) -> Option<(Account, Waiter)> {
        let served = |line: &Line| {
            let first = line.waiting.front()?;
            let may = self.may(state, &line.account, first.asked);
            may.then(|| line.account.peer.held(self.kind))
        };
        let lines = state.lines.iter().enumerate();
        let (at, _) = lines
            .filter_map(|(at, line)| Some((at, served(line)?)))
            .min_by_key(|(_, held)| *held)?;
        let line = state.lines.get_mut(at)?;
        let waiter = line.waiting.pop_front()?;
        let account = line.account.clone();
        if line.waiting.is_empty() {
            // Dropped with an account alone, which holds nothing.
            state.lines.remove(at);
        }
        Some((account, waiter))
    }
}

impl State {
    fn line(&mut self, account: &Account) -> Option<&mut Line> {
        let mut lines = self.lines.iter_mut();
        lines.find(|line| Arc::ptr_eq(&line.account.call, &account.call))
    }

    fn waits(&mut self, account: &Account) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        self.line(account).is_some_and(|line| {
            line.waiting.retain(|waiter| !waiter.granted.is_closed());
            !line.waiting.is_empty()
        })
    }

    fn wait(&mut self, account: &Account, asked: Asked) -> oneshot::Receiver<Hold> {
        let (granted, receiver) = oneshot::channel();
        let waiter = Waiter { asked, granted };
        match self.line(account) {
            Some(line) => line.waiting.push_back(waiter),
            None => self.lines.push_back(Line {
                account: account.clone(),
                waiting: VecDeque::from([waiter]),
            }),
        }
        receiver
    }

    /// As far as others wait behind them.
    fn forget_the_gone(&mut self) {
        self.lines.retain_mut(|line| {
            let gone = |waiter: &mut Waiter| waiter.granted.is_closed();
            while line.waiting.pop_front_if(gone).is_some() {}
            !line.waiting.is_empty()
        });
    }
}
