//! Who asks: a connection, and the address that it is from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::account::{KINDS, Kind};

/// What somebody holds of each kind. Changed under the kind's own lock alone.
#[derive(Debug, Default)]
pub(super) struct Holder([AtomicU64; KINDS.len()]);

impl Holder {
    pub(super) fn held(&self, kind: Kind) -> u64 {
        self.0[kind as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, kind: Kind, amount: u64) {
        self.0[kind as usize].fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, kind: Kind, amount: u64) {
        self.0[kind as usize].fetch_sub(amount, Ordering::Relaxed);
    }
}

/// A connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    holder: Holder,
    /// None: of this machine, whose programs cannot be told apart.
    host: Option<Arc<Holder>>,
    own: bool,
}

impl Peer {
    /// A connection from this machine.
    pub fn local() -> Peer {
        Peer(Arc::default())
    }

    pub(super) fn own() -> Peer {
        let own = true;
        Peer(Arc::new(Inner {
            own,
            ..Inner::default()
        }))
    }

    /// Whom no rule of shares holds back.
    pub(super) fn is_own(&self) -> bool {
        self.0.own
    }

    /// Whether they are from one address, which is not this machine's own.
    pub fn is_of_the_host_of(&self, other: &Peer) -> bool {
        let hosts = self.0.host.as_ref().zip(other.0.host.as_ref());
        hosts.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
    }

    pub fn held(&self, kind: Kind) -> u64 {
        self.0.holder.held(kind)
    }

    /// The connection, and its address.
    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
        std::iter::once(&self.0.holder).chain(self.0.host.as_deref())
    }
}

/// The addresses that connections are from now.
#[derive(Debug, Default)]
pub struct Hosts(Mutex<HashMap<IpAddr, Weak<Holder>>>);

impl Hosts {
    /// A new connection from there.
    pub fn peer(&self, from: IpAddr) -> Peer {
        if from.is_loopback() {
            return Peer::local();
        }
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.get(&from).and_then(Weak::upgrade);
        let host = known.unwrap_or_else(|| {
            hosts.retain(|_, host| host.strong_count() > 0);
            let host = Arc::default();
            hosts.insert(from, Arc::downgrade(&host));
            host
        });
        Peer(Arc::new(Inner {
            host: Some(host),
            ..Inner::default()
        }))
    }
}
