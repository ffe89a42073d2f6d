//! Who is let in, and who is still inside.

use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Status;

use crate::account::{self, Account, Accountant, Hold, KINDS, Peer};
use crate::api::scope::{self, Scope};
use crate::api::status::status;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::serve::body::Running;
use crate::serve::methods::{Kind, Method, Methods};
use crate::serve::refusal;
use crate::serve::stage::{Stage, Stages};
use crate::serve::tokens::Tokens;

/// Of one server; shared by its calls.
pub struct Gate {
    pub methods: Methods,
    pub metrics: Arc<Metrics>,
    pub stages: Arc<Stages>,
    pub stall_timeout: Duration,
    accountant: Arc<Accountant>,
    tokens: Option<Arc<Tokens>>,
    answers: Mutex<Vec<Weak<Mutex<Running>>>>,
}

/// How a gate is kept.
pub struct Rules {
    /// None: everybody is let in.
    pub tokens: Option<Arc<Tokens>>,
    pub accountant: Arc<Accountant>,
    pub stall_timeout: Duration,
}

impl Gate {
    /// # Errors
    /// As [`Methods::new`].
    pub fn new(rules: Rules, metrics: Arc<Metrics>) -> Result<Gate> {
        let methods = Methods::new()?;
        for method in methods.all() {
            metrics.expect_calls((&method.service, &method.name), &refusal::CODES);
        }
        Ok(Gate {
            methods,
            metrics,
            stages: Arc::new(Stages::new()),
            stall_timeout: rules.stall_timeout,
            accountant: rules.accountant,
            tokens: rules.tokens,
            answers: Mutex::default(),
        })
    }

    /// A new account for a call over this connection.
    pub fn account(&self, peer: &Peer) -> Account {
        Account::new(&self.accountant, peer)
    }

    /// What the call's token allows; everything where none is needed.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a token that is known, PERMISSION_DENIED with one that is for less.
    pub fn scope(&self, method: &Method, headers: &HeaderMap) -> Result<Scope, Box<Status>> {
        if method.kind == Kind::Health {
            return Ok(Scope::All);
        }
        let scope = self.token(headers)?;
        if method.kind == Kind::Own && !scope.allows(&method.name) {
            return Err(Box::new(status(&scope::only_reads(&method.name))));
        }
        Ok(scope)
    }

    /// How far the token goes that these headers bring; everything where none is needed.
    ///
    /// # Errors
    /// UNAUTHENTICATED without a token that is known.
    pub fn token(&self, headers: &HeaderMap) -> Result<Scope, Box<Status>> {
        let Some(tokens) = &self.tokens else {
            return Ok(Scope::All);
        };
        let scope = tokens.scope_of(headers);
        scope.ok_or_else(|| Box::new(refusal::token_invalid()))
    }

    /// A place for the call, which it keeps until its answer ended; none for calls that take none. While the server
    /// drains calls still come that were sent before their client knew.
    ///
    /// # Errors
    /// UNAVAILABLE or RESOURCE_EXHAUSTED, in this order.
    pub fn admit(&self, kind: Kind, account: &Account) -> Result<Option<Hold>, Box<Status>> {
        if kind == Kind::Health {
            return Ok(None);
        }
        if self.stages.now() >= Stage::Ended {
            return Err(Box::new(refusal::draining()));
        }
        if kind == Kind::Reflection {
            return Ok(None);
        }
        let place = account.take_now(account::Kind::Calls, 1);
        place.map(Some).map_err(|full| Box::new(status(&full)))
    }

    /// Has `watch` look at this answer until it ends.
    pub fn follow(&self, answer: &Arc<Mutex<Running>>) {
        self.answers().push(Arc::downgrade(answer));
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Mutex<Running>>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the answers that their clients do not take. Never ends itself.
    pub async fn watch(&self) {
        let every =
            (self.stall_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            tokio::time::sleep(every).await;
            self.end_stalled();
        }
    }

    fn end_stalled(&self) {
        let followed = std::mem::take(&mut *self.answers());
        let mut going_on: Vec<_> = followed
            .into_iter()
            .filter(|answer| self.goes_on(answer))
            .collect();
        self.answers().append(&mut going_on);
    }

    fn goes_on(&self, answer: &Weak<Mutex<Running>>) -> bool {
        let Some(answer) = answer.upgrade() else {
            return false;
        };
        let mut running = match answer.try_lock() {
            Ok(running) => running,
            // It is being asked for more: nobody stalls there.
            Err(TryLockError::WouldBlock) => return true,
            Err(TryLockError::Poisoned(broken)) => broken.into_inner(),
        };
        running.end_if_stalled(Instant::now(), self.stall_timeout);
        !running.is_over()
    }

    /// Sets what is held now, for `/metrics`.
    pub fn tell(&self, kept_bytes: u64) {
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.memory("kept").set(gauge(kept_bytes));
        let held = gauge(self.accountant.held_bytes());
        self.metrics.memory("held").set(held);
        for kind in KINDS {
            let held = gauge(self.accountant.held(kind));
            match kind.is_memory() {
                true => self.metrics.memory(kind.name()).set(held),
                false => self.metrics.queue(kind.name()).set(held),
            };
        }
    }

    /// Calls that have a place now.
    pub fn inside(&self) -> u64 {
        self.accountant.held(account::Kind::Calls)
    }
}
