//! A store that does what disks and services do, by dice with a seed: for tests.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Reason, Result};
use crate::store::{ListRequest, Object, Page, PutOptions, Store, Written};

/// What goes wrong, each at a rate of 0 to 1 of the calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// STORE_UNAVAILABLE; every other of them when the work was done already.
    pub errors: f64,
    /// Objects are read without their tail.
    pub cuts: f64,
    /// Objects are read with one bit flipped.
    pub flips: f64,
    /// Before each call.
    pub delay: Option<Duration>,
    /// Bytes that may yet be written; none: as many as there are.
    pub room: Option<usize>,
}

pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

struct State {
    faults: Faults,
    dice: u64,
}

/// Which half of a call fails.
#[derive(PartialEq)]
enum Fails {
    Never,
    Before,
    After,
}

impl Faulty {
    /// `seed` decides all; it is printed.
    pub(crate) fn new(inner: Arc<dyn Store>, seed: u64) -> Faulty {
        eprintln!("faulty store: seed={seed}");
        let state = State {
            faults: Faults::default(),
            dice: seed,
        };
        Faulty {
            inner,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let (fails, delay) = {
            let mut state = self.state();
            (state.fails(), state.faults.delay)
        };
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        if fails == Fails::Before {
            return Err(failed());
        }
        let done = work.await;
        if fails == Fails::After {
            return Err(failed());
        }
        done
    }
}

fn failed() -> Error {
    Error::new(Reason::StoreUnavailable, "the dice fell so")
}

impl State {
    /// The next number of splitmix64.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn falls(&mut self, rate: f64) -> bool {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64 >= 1.0 - rate
    }

    fn fails(&mut self) -> Fails {
        let (errors, done) = (self.faults.errors, self.falls(0.5));
        match self.falls(errors) {
            false => Fails::Never,
            true if done => Fails::After,
            true => Fails::Before,
        }
    }

    fn spoil(&mut self, data: &mut Vec<u8>) {
        let Faults { cuts, flips, .. } = self.faults;
        let at = usize::try_from(self.roll() % (data.len() as u64).max(1)).unwrap();
        if self.falls(cuts) {
            data.truncate(at);
        } else if self.falls(flips) && !data.is_empty() {
            data[at] ^= 1 << (self.roll() % 8);
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        let Some(room) = &mut self.faults.room else {
            return Ok(());
        };
        *room = room
            .checked_sub(bytes)
            .ok_or_else(|| Error::new(Reason::DiskFull, "no room is left"))?;
        Ok(())
    }
}

#[async_trait]
impl Store for Faulty {
    fn describe(&self) -> String {
        format!("faulty {}", self.inner.describe())
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let found = self.call(self.inner.get(key)).await?;
        Ok(found.map(|object| {
            let mut data = object.data.to_vec();
            self.state().spoil(&mut data);
            match data == object.data {
                true => object,
                false => Object::new(data.into()),
            }
        }))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let found = self.call(self.inner.get_range(key, range)).await?;
        Ok(found.map(|data| {
            let mut data = data.to_vec();
            self.state().spoil(&mut data);
            data.into()
        }))
    }

    async fn put(&self, key: &str, data: Bytes, options: PutOptions<'_>) -> Result<Written> {
        self.state().spend(data.len())?;
        self.call(self.inner.put(key, data, options)).await
    }

    async fn sync(&self) -> Result<()> {
        self.call(self.inner.sync()).await
    }

    async fn list(&self, request: ListRequest<'_>) -> Result<Page> {
        self.call(self.inner.list(request)).await
    }

    async fn delete(&self, keys: &[String]) -> Result<()> {
        self.call(self.inner.delete(keys)).await
    }

    async fn sweep(&self) -> Result<u64> {
        self.call(self.inner.sweep()).await
    }
}

mod tests {
    use super::*;
    use crate::cache::Profile;
    use crate::cache::testing::{cache_over, elsewhere, extract_row, frame_bytes, plan_of, row};
    use crate::store::conformance;
    use crate::store::memory::MemoryStore;

    const FRAMES: u64 = 40;

    fn faulty() -> (Arc<Faulty>, Profile) {
        let store = Arc::new(Faulty::new(Arc::new(MemoryStore::new()), 2026));
        let cache = cache_over(Arc::clone(&store) as _);
        (store, cache.profile("t", "default").unwrap())
    }

    /// Extracts all there is, once; a caller tries again.
    async fn extract(profile: &Profile) -> Result<()> {
        let rows = (0..4_u32).map(|n| row("0", n, u64::from(n) * 10, 10));
        let plan = profile.claim_plan(&plan_of(rows.collect()), None).await?;
        for row in plan.plan.in_sequence() {
            extract_row(profile, row).await?;
        }
        Ok(())
    }

    /// Frames that another process reads, at the first attempt: how many were right, how many refused.
    async fn read(profile: &Profile) -> (u64, Vec<Reason>) {
        let reader = elsewhere(profile);
        let (mut right, mut refused) = (0, Vec::new());
        for seq in 0..FRAMES {
            match reader.read_frame(seq).await {
                Ok(Ok(frame)) => {
                    let wanted = format!("frame {seq} of ");
                    assert!(frame.jpeg.starts_with(wanted.as_bytes()), "{seq}");
                    assert_eq!(frame.facts.bytes, Some(frame.jpeg.len() as u64));
                    right += 1;
                }
                Ok(Err(_)) => {}
                Err(error) => refused.push(error.reason()),
            }
        }
        (right, refused)
    }

    #[tokio::test]
    async fn a_faulty_store_without_faults_keeps_the_traits_promises() {
        let inner = Arc::new(MemoryStore::new());
        conformance::prove(Arc::new(Faulty::new(inner, 1))).await;
    }

    #[tokio::test]
    async fn errors_before_and_after_the_work_lose_nothing_once_a_call_succeeds() {
        for errors in [0.1, 0.3] {
            let (store, profile) = faulty();
            store.set(Faults {
                errors: errors / 10.0,
                ..Faults::default()
            });
            let mut calls = 0;
            while let Err(error) = extract(&profile).await {
                assert_eq!(error.reason(), Reason::StoreUnavailable);
                calls += 1;
                assert!(calls < 1000, "it never succeeds");
            }
            store.set(Faults {
                errors,
                ..Faults::default()
            });
            let (right, refused) = read(&profile).await;
            // What could not be read is refused, never missing.
            assert_eq!(right + refused.len() as u64, FRAMES);
            assert!(!refused.is_empty());
            assert!(
                refused
                    .iter()
                    .all(|reason| *reason == Reason::StoreUnavailable)
            );
            store.set(Faults::default());
            assert_eq!(read(&profile).await.0, FRAMES);
        }
    }

    #[tokio::test]
    async fn no_frame_is_served_that_was_read_cut_or_with_a_bit_flipped() {
        for (cuts, flips) in [(1.0, 0.0), (0.0, 1.0), (0.3, 0.3)] {
            let (store, profile) = faulty();
            extract(&profile).await.unwrap();
            for _ in 0..10 {
                store.set(Faults {
                    cuts,
                    flips,
                    delay: Some(Duration::from_micros(100)),
                    ..Faults::default()
                });
                // Asserts that what is served is right.
                let (right, _) = read(&profile).await;
                assert!(right == 0 || cuts + flips < 1.0);
            }
            store.set(Faults::default());
            assert_eq!(read(&profile).await.0, FRAMES);
        }
    }

    #[tokio::test]
    async fn a_full_disk_stops_writing_and_not_reading_and_is_over_when_there_is_room() {
        let (store, profile) = faulty();
        let frame = {
            let plan = crate::cache::testing::planned(plan_of(vec![row("0", 0, 0, 10)]));
            frame_bytes(plan.row_of(0).unwrap(), 0).len()
        };
        store.set(Faults {
            room: Some(30_000),
            ..Faults::default()
        });
        extract(&profile).await.unwrap();
        for room in [0, frame, 5 * frame] {
            store.set(Faults {
                room: Some(room),
                ..Faults::default()
            });
            let error = extract(&profile).await.unwrap_err();
            assert_eq!(error.reason(), Reason::DiskFull, "{room}");
            assert_eq!(read(&profile).await.0, FRAMES);
        }
        store.set(Faults::default());
        extract(&profile).await.unwrap();
    }
}
