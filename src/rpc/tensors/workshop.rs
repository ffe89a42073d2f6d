//! Tensors of pictures, by the hands that all calls share, with the buffers that they work in.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;

use crate::account::{Account, Kind, Working};
use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::foundry::Foundry;
use crate::frames::Pixels;
use crate::pixel::RgbImage;
use crate::rpc::tensors::Picture;
use crate::rpc::tensors::batch::blank;
use crate::tensor::{Maker, Recipe, Transform};

/// A larger picture's buffers are not kept for the next one.
const MAX_BENCH_BYTES: usize = 32 << 20;

/// Cheap to clone.
#[derive(Clone)]
pub struct Workshop {
    foundry: Arc<dyn Foundry>,
    /// As many as there are hands, at most.
    benches: Arc<Mutex<Vec<Bench>>>,
}

/// Buffers that one thread works in.
#[derive(Default)]
struct Bench {
    maker: Maker,
    rgb: RgbImage,
}

/// A frame's piece of its batch, with what became of it; zeros where it could not be made.
pub struct Made {
    pub piece: BytesMut,
    pub transform: Result<Transform>,
}

impl Workshop {
    pub fn new(foundry: Arc<dyn Foundry>) -> Self {
        Workshop {
            foundry,
            benches: Arc::default(),
        }
    }

    /// Starts to make the frame on a thread of its own, in a piece with room for it, once there is memory for
    /// its picture and a hand is free.
    ///
    /// # Errors
    /// MEMORY_BUDGET and QUEUE_FULL where others have them for half a minute.
    pub async fn make(
        &self,
        account: &Account,
        (recipe, picture): (Arc<Recipe>, Picture),
        mut piece: BytesMut,
    ) -> Result<Working<Made>> {
        let room = account.take(Kind::Pictures, picture.bytes_to_decode()?);
        let room = room.await?;
        let workshop = self.clone();
        let work = move |stop: &Stop| {
            let mut bench = workshop.bench();
            blank(&mut piece);
            let made = bench.make((&*workshop.foundry, &recipe), (&picture, stop), &mut piece);
            workshop.put_back(bench);
            drop(room);
            Made {
                piece,
                transform: made,
            }
        };
        account.begin_by_hand(work).await
    }

    fn bench(&self) -> Bench {
        // Nothing that can panic runs under the lock, here and below.
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.pop().unwrap_or_default()
    }

    fn put_back(&self, bench: Bench) {
        if bench.rgb.data.capacity() > MAX_BENCH_BYTES {
            return;
        }
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.push(bench);
    }
}

impl Bench {
    fn make(
        &mut self,
        (foundry, recipe): (&dyn Foundry, &Recipe),
        (picture, stop): (&Picture, &Stop),
        out: &mut [u8],
    ) -> Result<Transform> {
        stop.check()?;
        match picture {
            Picture::Still(still) => match &still.pixels {
                Pixels::Rgb(rgb) => self.maker.make((recipe, stop), rgb, out),
                Pixels::Tensor(size, made) if made.len() == out.len() => {
                    out.copy_from_slice(made);
                    Ok(recipe.place(*size).transform())
                }
                Pixels::Tensor(..) => Err(Error::internal("a card's tensor has another size")),
            },
            Picture::Jpeg(frame) => {
                foundry.jpeg_into(&frame.jpeg, &mut self.rgb)?;
                self.maker.make((recipe, stop), &self.rgb, out)
            }
        }
    }
}
