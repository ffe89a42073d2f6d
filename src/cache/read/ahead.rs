//! Frames of packs that are wanted one after the other, read in runs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::account::{Hold, Kind};
use crate::cache::places::{MAX_RUN, Place, Run, Slice, runs};
use crate::cache::planned::Row;
use crate::cache::read::{Miss, Reader};
use crate::cache::record::Record;
use crate::error::{Error, Result};

/// Which frames of a row are read together, by their places in the request: each is there once.
pub struct Ahead {
    runs: Vec<Mutex<State>>,
    run_of: HashMap<u64, usize>,
}

/// A frame that is wanted, and what it may be read with.
#[derive(Clone, Copy)]
pub struct With<'a> {
    pub ahead: &'a Ahead,
    /// Its place in the request.
    pub index: u64,
}

enum State {
    /// To be read by whoever comes first.
    Wanted(Run<u64>),
    /// By their places in the request, until they are taken.
    Read(HashMap<u64, (Slice, ReadSlice)>),
    Failed(Error),
}

/// A frame's bytes, not compared with its sha256 yet.
pub(super) type ReadSlice = Result<(Bytes, Arc<Hold>), Miss>;

impl Reader {
    /// How frames of a row are read that are wanted in this order: each with its place in the request,
    /// and its sequence, if that is known yet. None where no two are to be read together.
    ///
    /// # Errors
    /// As [`Reader::record`].
    pub async fn ahead(
        &self,
        row: Row<'_>,
        wanted: impl ExactSizeIterator<Item = (u64, Option<u64>)>,
    ) -> Result<Option<Ahead>> {
        let Ok(record) = self.record(row).await? else {
            return Ok(None);
        };
        if record.packs.is_none() || wanted.len() < 2 {
            return Ok(None);
        }
        let wanted = wanted.map(|(index, seq)| Some((index, self.unknown(&record, seq?)?)));
        // What is read of a run waits for its turn: more than a part of the room would keep others out.
        let most = self.profile.account.accountant().most(Kind::Answers) / 4;
        Ok(Some(Ahead::of(runs(wanted, MAX_RUN.min(most)))))
    }

    fn unknown(&self, record: &Record, seq: u64) -> Option<Slice> {
        let facts = record.frame(seq).filter(|facts| !facts.missing)?;
        match record.place(facts)? {
            Place::Packed(slice) if !self.memory().knows_frame(facts) => Some(slice),
            _ => None,
        }
    }

    /// A frame's bytes out of its run, which is read now if it was not; none where it is in no run.
    pub(super) async fn read_from_run(
        &self,
        With { ahead, index }: With<'_>,
        place: &Place,
    ) -> Result<Option<ReadSlice>> {
        let run = ahead.run_of.get(&index);
        let Some(run) = run.and_then(|run| ahead.runs.get(*run)) else {
            return Ok(None);
        };
        let mut state = run.lock().await;
        if let State::Wanted(run) = &*state {
            *state = match self.read_run(run).await {
                Ok(read) => State::Read(read),
                Err(error) => State::Failed(error),
            };
        }
        match &mut *state {
            State::Failed(error) => Err(error.clone()),
            State::Wanted(_) => Ok(None),
            State::Read(read) => {
                let read = read.remove(&index);
                // By another record it lies elsewhere now.
                let read = read.filter(|(slice, _)| *place == Place::Packed(slice.clone()));
                Ok(read.map(|(_, read)| read))
            }
        }
    }

    async fn read_run(&self, run: &Run<u64>) -> Result<HashMap<u64, (Slice, ReadSlice)>> {
        let (from, bytes) = (run.range.start, run.range.end - run.range.start);
        let mut hold = self.profile.account.take(Kind::Answers, bytes).await?;
        let key = self.profile.keys.pack(&run.pack);
        let data = self
            .profile
            .store
            .get_range(&key, run.range.clone())
            .await?;
        let read = |slice: &Slice| {
            let Some(data) = &data else {
                return Err(Miss::NoObject);
            };
            match slice.of(data, from) {
                // A copy: the run goes when its last frame is read, however long one is kept.
                Some(part) => Ok(Bytes::copy_from_slice(part)),
                None => Err(Miss::WrongSha256),
            }
        };
        let mut frames = HashMap::with_capacity(run.slices.len());
        for (index, slice) in &run.slices {
            let part = read(slice).map(|jpeg| {
                let part = hold.split(slice.bytes);
                (jpeg, Arc::new(part))
            });
            frames.insert(*index, (slice.clone(), part));
        }
        Ok(frames)
    }
}

impl Ahead {
    fn of(runs: Vec<Run<u64>>) -> Ahead {
        let numbered = runs.iter().enumerate();
        let run_of =
            numbered.flat_map(|(n, run)| run.slices.iter().map(move |(index, _)| (*index, n)));
        Ahead {
            run_of: run_of.collect(),
            runs: runs
                .into_iter()
                .map(|run| Mutex::new(State::Wanted(run)))
                .collect(),
        }
    }
}
