//! The queues between the threads: tasks that wait for a decoder, pictures that wait for a worker.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::extract::deal::Mode;
use crate::extract::parts::{DecodeTask, PictureTask};
use crate::extract::waiting::Waiting;

/// Pictures that may wait for each helping worker.
const QUEUED_PER_HELPER: usize = 2;

/// A worker that has nothing to do keeps its source open this long.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How often a card's thread that waits for workers looks whether its span still goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// For the cards' threads: a task is there, and room for a picture.
    device_work: Condvar,
    room: Condvar,
    workers: usize,
}

#[derive(Default)]
struct State {
    pictures: VecDeque<PictureTask>,
    decodes: Waiting,
    device_decodes: Waiting,
    /// Workers in no decoding task.
    helpers: usize,
    closing: bool,
}

pub(super) enum Work {
    Picture(PictureTask),
    Decode(DecodeTask),
}

impl Shared {
    pub(super) fn new(workers: usize) -> Self {
        Shared {
            state: Mutex::new(State {
                helpers: workers,
                ..State::default()
            }),
            work: Condvar::new(),
            device_work: Condvar::new(),
            room: Condvar::new(),
            workers,
        }
    }

    /// Cancels what waits, and lets the threads end.
    pub(super) fn close(&self) {
        {
            let mut state = self.lock();
            state.closing = true;
            let waiting = state.decodes.iter().chain(state.device_decodes.iter());
            waiting.for_each(|task| task.span.cancel());
        }
        self.work.notify_all();
        self.device_work.notify_all();
    }

    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, tasks: Vec<DecodeTask>) {
        if tasks.is_empty() {
            return;
        }
        let mut state = self.lock();
        for task in tasks {
            match task.mode {
                Mode::Device => state.device_decodes.push(task),
                _ => state.decodes.push(task),
            }
        }
        drop(state);
        self.work.notify_all();
        self.device_work.notify_all();
    }

    /// Whether a task waits for a card's thread.
    pub(super) fn waits_for_card(&self) -> bool {
        self.lock().device_decodes.iter().next().is_some()
    }

    /// Hands a picture to a helper, or back where none is free to take it soon.
    pub(super) fn offer(&self, picture: PictureTask) -> Option<PictureTask> {
        let mut state = self.lock();
        if state.pictures.len() >= state.helpers * QUEUED_PER_HELPER {
            return Some(picture);
        }
        state.pictures.push_back(picture);
        drop(state);
        self.work.notify_one();
        None
    }

    /// Hands a card's picture to the workers, once there is room for it or its span stops.
    pub(super) fn hand_over(&self, picture: PictureTask) {
        let mut state = self.lock();
        while state.pictures.len() >= self.workers * QUEUED_PER_HELPER
            && !state.closing
            && !picture.span.stopped()
        {
            let waited = self.room.wait_timeout(state, LOOK_AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.pictures.push_back(picture);
        drop(state);
        self.work.notify_one();
    }

    /// A worker's next piece of work; none when the engine closes. `rest` is called once there was
    /// none for [`REST_AFTER`].
    pub(super) fn next(&self, rest: impl FnOnce()) -> Option<Work> {
        self.wait(&self.work, rest, |state| {
            if let Some(picture) = state.pictures.pop_front() {
                self.room.notify_one();
                return Some(Work::Picture(picture));
            }
            let mut task = state.decodes.pop()?;
            state.helpers -= 1;
            // A span deals itself all workers. It gets those that no other span's task waits for; where
            // none does all of them, since those that are busy come free before it ends.
            let others = state.decodes.count_others(&task.span);
            if others > 0 {
                let idle = state.helpers.saturating_sub(others);
                task.mode = task.mode.at_most(1 + idle);
            }
            Some(Work::Decode(task))
        })
    }

    /// The same for a card's thread.
    pub(super) fn next_on_card(&self, rest: impl FnOnce()) -> Option<DecodeTask> {
        self.wait(&self.device_work, rest, |state| state.device_decodes.pop())
    }

    fn wait<T>(
        &self,
        until: &Condvar,
        rest: impl FnOnce(),
        mut take: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut rest = Some(rest);
        let mut state = self.lock();
        loop {
            if let Some(found) = take(&mut state) {
                return Some(found);
            }
            if state.closing {
                return None;
            }
            state = match rest.take() {
                None => until.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(first) => {
                    let waited = until.wait_timeout(state, REST_AFTER);
                    let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    match waited.timed_out() {
                        true => first(),
                        false => rest = Some(first),
                    }
                    state
                }
            };
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        let waiting = state.decodes.iter().chain(state.device_decodes.iter());
        waiting.count() == 0 && state.pictures.is_empty() && state.helpers == self.workers
    }

    pub(super) fn decoded(&self) {
        self.lock().helpers += 1;
    }
}
