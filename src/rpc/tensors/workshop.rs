//! What all calls share: threads that work on pixels, and room for batches.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::error::{Error, Reason, Result};
use crate::frames::Pixels;
use crate::jpeg;
use crate::pixel::RgbImage;
use crate::rpc::tensors::Picture;
use crate::tensor::{Maker, Recipe, Transform};

/// One permit of the room stands for so many bytes.
const UNIT: u64 = 1 << 16;
/// A batch that waits so long for its room is refused.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Cheap to clone.
#[derive(Clone)]
pub struct Workshop {
    /// One for each thread that may work on pixels.
    hands: Arc<Semaphore>,
    room: Arc<Semaphore>,
    units: u32,
    /// As many as there are hands, at most.
    benches: Arc<Mutex<Vec<Bench>>>,
}

/// Buffers that one thread works in.
#[derive(Default)]
struct Bench {
    maker: Maker,
    rgb: RgbImage,
}

/// A batch's bytes, given back when dropped.
pub struct Room(#[allow(dead_code)] OwnedSemaphorePermit);

/// A frame's piece of its batch, with what became of it; zeros where it could not be made.
pub struct Made {
    pub piece: BytesMut,
    pub transform: Result<Transform>,
}

impl Workshop {
    /// `room_bytes`: what batches of all calls may take together.
    pub fn new(hands: usize, room_bytes: u64) -> Self {
        let units = (room_bytes / UNIT).clamp(1, 1 << 28) as u32;
        Workshop {
            hands: Arc::new(Semaphore::new(hands.max(1))),
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            benches: Arc::default(),
        }
    }

    /// Waits until a batch may take so many bytes: the one place where they are counted. More
    /// than there is room for counts as all of it.
    ///
    /// # Errors
    /// MEMORY_BUDGET where there is no room within half a minute.
    pub async fn room(&self, bytes: u64) -> Result<Room> {
        let units = bytes.div_ceil(UNIT).clamp(1, u64::from(self.units)) as u32;
        let permit = self.room.clone().acquire_many_owned(units);
        match tokio::time::timeout(MAX_WAIT, permit).await {
            Ok(Ok(permit)) => Ok(Room(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Reason::MemoryBudget,
                format!("no memory was free for a batch: bytes={bytes}"),
            )
            .hint("ask again later, for smaller batches, or raise the server's --memory")),
        }
    }

    /// Starts to make the frame on a thread of its own, once a hand is free.
    ///
    /// # Errors
    /// INTERNAL, never.
    pub async fn make(
        &self,
        recipe: Arc<Recipe>,
        picture: Picture,
        mut piece: BytesMut,
    ) -> Result<JoinHandle<Made>> {
        let hand = self.hands.clone().acquire_owned().await;
        let hand = hand.map_err(|e| Error::internal("no hands are left").caused_by(e))?;
        let workshop = self.clone();
        Ok(tokio::task::spawn_blocking(move || {
            let mut bench = workshop.bench();
            let transform = bench.make(&recipe, &picture, &mut piece);
            workshop.put_back(bench);
            drop(hand);
            Made { piece, transform }
        }))
    }

    fn bench(&self) -> Bench {
        // Nothing that can panic runs under the lock, here and below.
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.pop().unwrap_or_default()
    }

    fn put_back(&self, bench: Bench) {
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.push(bench);
    }
}

impl Bench {
    fn make(&mut self, recipe: &Recipe, picture: &Picture, out: &mut [u8]) -> Result<Transform> {
        match picture {
            Picture::Still(still) => match &still.pixels {
                Pixels::Rgb(rgb) => self.maker.make(recipe, rgb, out),
                Pixels::Tensor(size, made) if made.len() == out.len() => {
                    out.copy_from_slice(made);
                    Ok(recipe.place(*size).transform())
                }
                Pixels::Tensor(..) => Err(Error::internal("a card's tensor has another size")),
            },
            Picture::Jpeg(frame) => {
                jpeg::decode_rgb_into(&frame.jpeg, &mut self.rgb)?;
                self.maker.make(recipe, &self.rgb, out)
            }
        }
    }
}
