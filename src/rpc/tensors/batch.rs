//! One batch: places for its frames in one buffer, filled as their pictures come.

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

use crate::account::{Hold, Working};
use crate::api::status::rpc_status;
use crate::api::v1;
use crate::error::{Error, Result};
use crate::rpc::tensors::Batch;
use crate::rpc::tensors::workshop::Made;
use crate::tensor::{Recipe, Transform};

/// What all tensors are called.
const NAME: &str = "frames";

/// A batch that is being made. Frames are put in, in their order.
pub struct Open {
    /// Of its first frame, in the request.
    index: u64,
    places: Vec<Place>,
    /// Of the frames that are still to come; none before it is known how large a frame is.
    rest: Option<Rest>,
    /// One of the batches that the call may have in memory.
    turn: OwnedSemaphorePermit,
}

struct Rest {
    /// Empty; its capacity is all that is left of the batch.
    buffer: BytesMut,
    frames: usize,
    frame_bytes: usize,
    room: Hold,
}

impl Rest {
    /// The next frame's piece: empty, with room for it. Who fills it makes zeros of it first, since those of a
    /// large one take their time.
    fn take(&mut self) -> Option<BytesMut> {
        self.frames = self.frames.checked_sub(1)?;
        let rest = self.buffer.split_off(self.frame_bytes);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}

/// Makes zeros of a frame's piece.
pub fn blank(piece: &mut BytesMut) {
    piece.resize(piece.capacity(), 0);
}

struct Place {
    sequence: u64,
    timestamp: Option<f64>,
    work: Work,
}

enum Work {
    Making(Working<Made>),
    /// Its piece becomes zeros.
    Failed(Error, Option<BytesMut>),
}

/// Which frame a place is for.
pub struct Label {
    pub index: u64,
    pub sequence: u64,
    pub timestamp: Option<f64>,
}

impl Open {
    pub fn new(index: u64, turn: OwnedSemaphorePermit) -> Self {
        Open {
            index,
            places: Vec::new(),
            rest: None,
            turn,
        }
    }

    pub fn frames(&self) -> usize {
        self.places.len()
    }

    pub fn is_sized(&self) -> bool {
        self.rest.is_some()
    }

    /// Gives it a buffer for `frames` frames.
    pub fn size(&mut self, frames: usize, frame_bytes: usize, room: Hold) {
        let mut rest = Rest {
            buffer: BytesMut::with_capacity(frames.saturating_mul(frame_bytes)),
            frames,
            frame_bytes,
            room,
        };
        for place in &mut self.places {
            if let Work::Failed(_, piece) = &mut place.work {
                *piece = rest.take();
            }
        }
        self.rest = Some(rest);
    }

    /// The next frame's piece of the buffer, empty.
    ///
    /// # Errors
    /// INTERNAL where there is no buffer, or it is full.
    pub fn piece(&mut self) -> Result<BytesMut> {
        let piece = self.rest.as_mut().and_then(Rest::take);
        piece.ok_or_else(|| Error::internal("a batch has no place left"))
    }

    pub fn making(&mut self, label: Label, made: Working<Made>) {
        self.push(label, Work::Making(made));
    }

    /// A frame that cannot be had.
    pub fn failed(&mut self, label: Label, error: Error) {
        let piece = self.rest.as_mut().and_then(Rest::take);
        self.push(label, Work::Failed(error, piece));
    }

    fn push(&mut self, label: Label, work: Work) {
        self.places.push(Place {
            sequence: label.sequence,
            timestamp: label.timestamp,
            work,
        });
    }

    /// The batch, when all its frames are made. What it holds is given back when `Held` is dropped.
    ///
    /// # Errors
    /// INTERNAL where a thread failed.
    pub async fn finish(self, recipe: &Recipe, output: (usize, usize)) -> Result<(Batch, Held)> {
        let mut joined = Joined::new(self.index, self.places.len());
        for (at, place) in (0..).zip(self.places) {
            let (piece, outcome) = match place.work {
                Work::Failed(error, mut piece) => {
                    piece.iter_mut().for_each(blank);
                    // Others wait no longer than for one of them.
                    tokio::task::yield_now().await;
                    (piece, Err(error))
                }
                Work::Making(mut made) => {
                    let made = made.end().await?;
                    joined.broken += u64::from(made.transform.is_err());
                    (Some(made.piece), made.transform)
                }
            };
            joined.add(at, (place.sequence, place.timestamp), outcome);
            joined.append(piece);
        }
        let held = Held {
            _room: self.rest.map(|rest| rest.room),
            _turn: self.turn,
        };
        Ok((joined.batch(recipe, output), held))
    }
}

/// A batch's room and turn.
pub struct Held {
    _room: Option<Hold>,
    _turn: OwnedSemaphorePermit,
}

/// Frames one after the other.
struct Joined {
    header: v1::TensorHeader,
    data: BytesMut,
    broken: u64,
}

impl Joined {
    fn new(index: u64, frames: usize) -> Self {
        Joined {
            header: v1::TensorHeader {
                index,
                name: NAME.to_owned(),
                sequences: Vec::with_capacity(frames),
                ..v1::TensorHeader::default()
            },
            data: BytesMut::new(),
            broken: 0,
        }
    }

    fn add(
        &mut self,
        at: u32,
        (sequence, timestamp): (u64, Option<f64>),
        outcome: Result<Transform>,
    ) {
        let header = &mut self.header;
        header.sequences.push(sequence);
        header.timestamps.push(timestamp.unwrap_or(f64::NAN));
        header.valid.push(outcome.is_ok());
        header.transforms.push(match outcome {
            Ok(transform) => v1::Transform {
                scale_x: transform.scale_x,
                scale_y: transform.scale_y,
                offset_x: transform.offset_x,
                offset_y: transform.offset_y,
            },
            Err(error) => {
                header.errors.push(v1::TensorError {
                    place: at,
                    status: Some(rpc_status(&error)),
                });
                v1::Transform::default()
            }
        });
    }

    /// Pieces lie one behind the other in one buffer: none is copied.
    fn append(&mut self, piece: Option<BytesMut>) {
        match piece {
            Some(piece) if self.data.is_empty() => self.data = piece,
            Some(piece) => self.data.unsplit(piece),
            None => {}
        }
    }

    fn batch(mut self, recipe: &Recipe, output: (usize, usize)) -> Batch {
        let data: Bytes = self.data.freeze();
        self.header.datatype = recipe.spec().datatype.name().to_owned();
        self.header.shape = recipe.shape(self.header.valid.len(), output).to_vec();
        self.header.bytes = data.len() as u64;
        Batch {
            header: self.header,
            data,
            broken: self.broken,
        }
    }
}
