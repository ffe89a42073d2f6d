//! One accountant for all that is scarce: memory on its way, call slots, hands and connections.
//!
//! Who wants some of it asks with an [`Account`]: that of its call, of one peer. A peer is a
//! connection; those of one address that is not this machine's own count together as well.
//!
//! The rule: *a connection may hold at most so many times what it leaves free (three times of
//! memory, eight of slots and no more than half of them), and an address three times as much.* So
//! one that takes all it can has three quarters of a memory room, two have three sevenths each, and
//! a newcomer always finds some. What is given back goes to the connection
//! that holds least; hands, which never hold anything for long, know no other rule than that.
//!
//! Nothing waits in a circle: a call asks for answers, then batches, then pictures, then a hand,
//! and never for an earlier one while it holds a later one. Each wait ends, after half a minute.

mod hands;
mod hold;
mod intake;
mod peer;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Reason, Result};

pub use hands::Working;
pub use hold::Hold;
pub use intake::Intake;
pub use peer::{Hosts, Peer};

use pool::{Asked, Pool};

/// Of what there is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of frames and overlays on their way to clients.
    Answers,
    /// Bytes of tensors, made and on their way.
    Batches,
    /// Bytes of decoded, resized and newly encoded pictures.
    Pictures,
    /// Bytes of requests: messages as they come, what they are parsed into, uploads.
    Uploads,
    /// Bytes of packs that are made of spans, and on their way to the store.
    Packs,
    /// Calls served at once.
    Calls,
    /// Threads that work on pixels of answers.
    Hands,
    Connections,
}

/// All kinds, in the order of their numbers.
pub const KINDS: [Kind; 8] = [
    Kind::Answers,
    Kind::Batches,
    Kind::Pictures,
    Kind::Uploads,
    Kind::Packs,
    Kind::Calls,
    Kind::Hands,
    Kind::Connections,
];

impl Kind {
    /// As metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Answers => "answers",
            Kind::Batches => "batches",
            Kind::Pictures => "pictures",
            Kind::Uploads => "uploads",
            Kind::Packs => "packs",
            Kind::Calls => "calls",
            Kind::Hands => "hands",
            Kind::Connections => "connections",
        }
    }

    pub fn is_memory(self) -> bool {
        matches!(
            self,
            Kind::Answers | Kind::Batches | Kind::Pictures | Kind::Uploads | Kind::Packs
        )
    }

    /// How many times what it leaves free a connection may hold; none: all of it.
    fn times(self) -> Option<u64> {
        match self {
            Kind::Hands => None,
            Kind::Calls | Kind::Connections => Some(8),
            Kind::Answers | Kind::Batches | Kind::Pictures | Kind::Uploads | Kind::Packs => Some(3),
        }
    }

    /// The most that a connection may ever hold of so much.
    fn most(self, of: u64) -> u64 {
        let most = match (self.times(), self.is_memory()) {
            (None, _) => of,
            (Some(_), false) => of / 2,
            (Some(times), true) => of / (times + 1) * times,
        };
        most.max(1)
    }

    /// Of the memory, in sixteenths. The other four are for what is kept. Two batches of sixteen pictures of 1280x720 are
    /// within what one connection may hold of the default's: one is made while the other is sent.
    fn sixteenths(self) -> u64 {
        match self {
            Kind::Answers | Kind::Pictures => 2,
            Kind::Batches => 4,
            Kind::Uploads => 3,
            Kind::Packs => 1,
            Kind::Calls | Kind::Hands | Kind::Connections => 0,
        }
    }
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Bytes: kept, and on their way.
    pub memory: u64,
    /// Bytes of packs that are made at once, where they are not a part of the memory.
    pub packs: Option<u64>,
    pub calls: u64,
    pub hands: u64,
    pub connections: u64,
    /// What waits so long is refused.
    pub max_wait: Duration,
}

/// Of packs that a command makes at once: what they are made of waits for them.
const COMMAND_PACKS: u64 = 256 << 20;

/// The default of [`Means::max_wait`].
pub const MAX_WAIT: Duration = Duration::from_secs(30);

impl Means {
    /// Of a command, which nobody competes with: memory alone is counted.
    pub fn of_command(memory: u64) -> Means {
        let any = u64::from(u32::MAX);
        Means {
            memory,
            packs: Some(COMMAND_PACKS),
            calls: any,
            hands: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
            connections: any,
            max_wait: MAX_WAIT,
        }
    }

    fn of(&self, kind: Kind) -> u64 {
        let share = self.memory / 16 * kind.sixteenths();
        match kind {
            Kind::Calls => self.calls,
            Kind::Hands => self.hands,
            Kind::Connections => self.connections,
            Kind::Packs => self.packs.unwrap_or(share),
            Kind::Answers | Kind::Batches | Kind::Pictures | Kind::Uploads => share,
        }
    }
}

/// Of one process.
pub struct Accountant {
    pools: [Arc<Pool>; KINDS.len()],
    kept: u64,
}

impl Accountant {
    pub fn new(means: &Means) -> Arc<Accountant> {
        let given: u64 = KINDS.map(|kind| kind.sixteenths()).iter().sum();
        Arc::new(Accountant {
            pools: KINDS.map(|kind| Arc::new(Pool::new(kind, means))),
            kept: means.memory / 16 * (16 - given),
        })
    }

    /// Bytes that may be kept: what is not for things on their way.
    pub fn kept_bytes(&self) -> u64 {
        self.kept
    }

    /// Bytes that there are for things on their way from and to clients.
    pub fn on_their_way_bytes(&self) -> u64 {
        let memory = KINDS.into_iter().filter(|kind| kind.is_memory());
        let of_clients = memory.filter(|kind| *kind != Kind::Packs);
        of_clients.map(|kind| self.limit(kind)).sum()
    }

    /// Held now, by everybody.
    pub fn held(&self, kind: Kind) -> u64 {
        self.pool(kind).held()
    }

    /// Bytes on their way now.
    pub fn held_bytes(&self) -> u64 {
        let memory = KINDS.into_iter().filter(|kind| kind.is_memory());
        memory.map(|kind| self.held(kind)).sum()
    }

    /// The most that one connection may ever hold.
    pub fn most(&self, kind: Kind) -> u64 {
        self.pool(kind).most()
    }

    pub fn limit(&self, kind: Kind) -> u64 {
        self.pool(kind).capacity()
    }

    fn pool(&self, kind: Kind) -> &Arc<Pool> {
        // In the order of `KINDS`, which has each.
        &self.pools[kind as usize]
    }
}

/// One call's, of one peer. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    accountant: Arc<Accountant>,
    peer: Peer,
    /// Told apart by its address.
    call: Arc<()>,
}

impl Account {
    /// A new call of the peer.
    pub fn new(accountant: &Arc<Accountant>, peer: &Peer) -> Account {
        Account {
            accountant: accountant.clone(),
            peer: peer.clone(),
            call: Arc::new(()),
        }
    }

    /// The process's own, whom no neighbour is protected from.
    pub fn own(accountant: &Arc<Accountant>) -> Account {
        Account::new(accountant, &Peer::own())
    }

    pub fn accountant(&self) -> &Arc<Accountant> {
        &self.accountant
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Waits until so much may be held. More than one connection may ever hold counts as all of that, so
    /// that there is one of those at a time.
    ///
    /// # Errors
    /// MEMORY_BUDGET or QUEUE_FULL where others hold it for half a minute.
    pub async fn take(&self, kind: Kind, amount: u64) -> Result<Hold> {
        self.wait(Asked::new(kind, amount)).await
    }

    /// So much, if it may be held now.
    ///
    /// # Errors
    /// MEMORY_BUDGET or QUEUE_FULL.
    pub fn take_now(&self, kind: Kind, amount: u64) -> Result<Hold> {
        let pool = self.accountant.pool(kind);
        let taken = pool.take_now(self, Asked::new(kind, amount));
        taken.ok_or_else(|| full(kind, amount, self.accountant.limit(kind)))
    }

    /// Room for the answer of something that is in memory anyway: a connection that holds no other
    /// answer waits for nobody.
    ///
    /// # Errors
    /// As [`Account::take`].
    pub async fn take_known(&self, amount: u64) -> Result<Hold> {
        self.wait(Asked::known(amount)).await
    }

    async fn wait(&self, asked: Asked) -> Result<Hold> {
        let taken = self.accountant.pool(asked.kind).take(self, asked).await;
        taken.ok_or_else(|| full(asked.kind, asked.amount, self.accountant.limit(asked.kind)))
    }
}

fn full(kind: Kind, amount: u64, limit: u64) -> Error {
    let (reason, message, hint) = match kind {
        Kind::Calls => (
            Reason::QueueFull,
            format!(
                "the server has as many calls as it serves at once, of this client or of all: limit={limit}"
            ),
            "call again in a moment, and make fewer calls at once",
        ),
        Kind::Hands | Kind::Connections => (
            Reason::QueueFull,
            format!(
                "the server is too busy: waited_for={} limit={limit}",
                kind.name()
            ),
            "call again in a moment",
        ),
        memory => (
            Reason::MemoryBudget,
            format!(
                "no memory was free for this client: of={} bytes={amount}",
                memory.name()
            ),
            "ask again later, for less at once, or raise the server's --memory",
        ),
    };
    Error::new(reason, message).hint(hint)
}

#[cfg(test)]
mod tests;
