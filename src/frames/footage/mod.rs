//! Frames as pictures, decoded from their sources again, in the order asked and without JPEG
//! loss. Nothing is stored.
//!
//! What is asked for is cut into groups (`groups`): whole GOPs while the numbers ascend, so that
//! nothing is decoded twice. A group is decoded on a lane, a decoder of its own, so
//! that its pictures come in order; a caller who is slow to take them holds up that lane alone,
//! and no extraction. The next groups are begun on other lanes meanwhile.

mod groups;
mod rows;
mod taking;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::cache::planned::Planned;
use crate::cache::read::View;
use crate::error::{Error, Reason, Result};
use crate::extract::{Caller, Turn};
use crate::frames::select::{self, Selected, Selection, Which};
use crate::frames::serve::{OnMiss, Serving};
use crate::frames::{Answer, Frames};
use crate::media::facts::FrameFacts;
use crate::pixel::RgbImage;
use crate::tensor::Recipe;
use crate::timeline::plan::{Parameters, Plan, PlannedChunk, Sampling, Window};
use crate::timeline::planner::Planner;
use crate::timeline::samples::check_source;

use groups::{Groups, Piece};
use rows::Rows;
use taking::Taking;

/// Groups that wait, begun, behind the one that is taken.
const GROUPS_AHEAD: usize = 1;
/// A group that is not begun by then is refused.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// A picture as decoded: upright, full size, 8 bits.
#[derive(Debug, Clone)]
pub struct Shot {
    pub facts: FrameFacts,
    pub rgb: Arc<RgbImage>,
}

/// The same as it comes from where it was decoded.
#[derive(Debug, Clone)]
pub struct Still {
    pub facts: FrameFacts,
    pub pixels: Pixels,
}

#[derive(Debug, Clone)]
pub enum Pixels {
    Rgb(Arc<RgbImage>),
    /// The frame of the footage's recipe, made on a card of a picture of that width and height.
    Tensor((usize, usize), Arc<Vec<u8>>),
}

impl Pixels {
    /// Width and height of the picture.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Pixels::Rgb(rgb) => (rgb.width, rgb.height),
            Pixels::Tensor(size, _) => *size,
        }
    }
}

/// Takes pictures as they come.
pub type Take<'t> = &'t mut (dyn FnMut(Shot) -> Result<()> + Send);

/// A plan whose frames are decoded from their sources.
pub struct Footage {
    frames: Frames,
    plan: Arc<Planned>,
    /// Repeats are decoded like any other frame.
    parameters: Parameters,
    /// What its pictures are wanted for.
    recipe: Option<Arc<Recipe>>,
    caller: Caller,
}

impl Serving {
    /// The profile's own frames.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; FIELD_INVALID for frames that have no source.
    pub async fn footage(&self) -> Result<Footage> {
        let plan = self.extracted().await?;
        let parameters = Parameters {
            dedup: None,
            ..parameters_of(&plan)?
        };
        self.note_use();
        Ok(Footage {
            frames: self.frames().clone(),
            plan,
            parameters,
            recipe: None,
            caller: self.caller(),
        })
    }

    /// Decodes these sequences of an extracted profile from their sources, each once, ascending.
    ///
    /// # Errors
    /// As [`Serving::footage`]; FRAME_NOT_CACHED, before anything is decoded; MEDIA_CORRUPT for
    /// frames that the decoder does not deliver; the source's own, and those of `take`.
    pub async fn decode(&self, seqs: &[u64], take: Take<'_>) -> Result<()> {
        let footage = Arc::new(self.footage().await?);
        self.places_of(&footage.plan, seqs)?;
        let mut ascending = seqs.to_vec();
        ascending.sort_unstable();
        ascending.dedup();
        let selected = Selected::of(ascending, 1, None);
        let mut shots = std::pin::pin!(footage.pictures(selected));
        while let Some(answer) = shots.next().await {
            match answer.result? {
                Some(Still {
                    facts,
                    pixels: Pixels::Rgb(rgb),
                }) => take(Shot { facts, rgb })?,
                Some(_) => return Err(Error::internal("a tensor came that nobody asked for")),
                None => {}
            }
        }
        Ok(())
    }

    /// The timeline's chunks under another sampling, which is planned here and not stored.
    ///
    /// # Errors
    /// As [`Serving::footage`]; FIELD_INVALID and LIMIT_EXCEEDED for a bad sampling;
    /// SOURCE_CHANGED where a source is not what was planned; the source's own.
    pub async fn sampled(&self, sampling: Sampling, window: Window) -> Result<Footage> {
        let known = self.extracted().await?;
        let parameters = Parameters {
            sampling,
            window,
            dedup: None,
            ..parameters_of(&known)?
        };
        let parameters = parameters.checked(self.frames().limits())?;
        let mut planner = Planner::new(parameters, *self.frames().limits())?;
        for chunk in &known.plan().chunks {
            self.push(&mut planner, &known, chunk).await?;
        }
        let plan = planner.finish()?;
        // Under `count` an open window is filled with the footage's ends.
        let parameters = plan_parameters(&plan)?;
        Ok(Footage {
            frames: self.frames().clone(),
            plan: Arc::new(Planned::new(plan)?),
            parameters,
            recipe: None,
            caller: self.caller(),
        })
    }

    async fn push(
        &self,
        planner: &mut Planner,
        known: &Planned,
        chunk: &PlannedChunk,
    ) -> Result<()> {
        let spec = chunk.spec.clone();
        if let Some(error) = &chunk.error {
            return planner.push(spec, Err(error.clone()));
        }
        let turn = Turn::awaited(self.caller());
        let media = self.frames().library().media(&spec, &turn).await?;
        let mut rows = known.rows().iter();
        if let Some(row) = rows.find(|row| row.chunk_id == spec.chunk_id) {
            check_source(row, media.index())?;
        }
        planner.push(spec, Ok(media.index()))
    }

    async fn extracted(&self) -> Result<Arc<Planned>> {
        match self.view().await? {
            View::Extracted(plan) => Ok(plan),
            View::Put(_) | View::Legacy | View::Absent => Err(Error::field(
                "these frames were not extracted from a source that is known",
            )
            .hint("take them from the cache")
            .in_field("origin")),
        }
    }
}

impl Footage {
    /// For tensors by this recipe: a card that decodes them makes them, too.
    pub fn wanted_for(self, recipe: Arc<Recipe>) -> Footage {
        Footage {
            recipe: Some(recipe),
            ..self
        }
    }

    /// All its frames.
    pub fn all(&self) -> Selected {
        Selected::all_of(&self.plan)
    }

    /// Looks a selection of the profile's frames up; no record is asked for.
    ///
    /// # Errors
    /// TIMELINE_NOT_FOUND; the source's own, for a window that cuts a span in two.
    pub async fn select(&self, serving: &Arc<Serving>, selection: Selection) -> Result<Selected> {
        // What is picked is picked by facts, which are cached or are not.
        let window = match selection.which {
            Which::Window(window) if selection.pick.is_all() => window,
            _ => return serving.select(selection, OnMiss::Fail).await,
        };
        let mut seqs: Vec<u64> = Vec::new();
        let mut rows = Rows::default();
        for row in self.plan.in_sequence() {
            if !select::overlaps(row, &window) {
                continue;
            }
            if select::is_within(&self.plan, row, &window) {
                seqs.extend(row.sequences());
            } else if let Some(place) = crate::frames::place_of(&self.plan, row.row.first) {
                let row = rows.open(self, place).await?;
                let inside = row
                    .samples
                    .iter()
                    .filter(|sample| select::is_in(sample.timestamp.to_f64(), &window));
                seqs.extend(inside.map(|sample| sample.seq));
            }
        }
        Ok(Selected::of(seqs, selection.step, selection.limit))
    }

    /// The pictures, in the order asked.
    pub fn pictures(
        self: Arc<Self>,
        selected: Selected,
    ) -> impl Stream<Item = Answer<Still>> + Send + 'static {
        let (begun, receiver) = mpsc::channel(GROUPS_AHEAD);
        let mut producer = JoinSet::new();
        let work = async move {
            let mut groups = Groups::new(self.clone(), selected);
            while let Some(piece) = groups.next().await {
                let taking = match piece {
                    Piece::Failed(answer) => Begun::Failed(answer),
                    Piece::Group(group) => match Taking::begin(group, &self).await {
                        Ok(taking) => Begun::Taking(Box::new(taking)),
                        Err(answers) => Begun::Refused(answers),
                    },
                };
                if begun.send(taking).await.is_err() {
                    return;
                }
            }
        };
        producer.spawn(work.in_current_span());
        let pictures = Pictures {
            begun: receiver,
            producer,
            current: None,
            index: 0,
        };
        stream::unfold(pictures, |mut pictures| async move {
            Some((pictures.next().await?, pictures))
        })
    }
}

/// A group on its lane, or why there is none.
enum Begun {
    Taking(Box<Taking>),
    Refused(std::vec::IntoIter<Answer<Still>>),
    Failed(Box<Answer<Still>>),
}

/// Pictures as they are taken.
struct Pictures {
    begun: Receiver<Begun>,
    /// Stops with this.
    producer: JoinSet<()>,
    current: Option<Begun>,
    /// Answers given.
    index: u64,
}

impl Pictures {
    async fn next(&mut self) -> Option<Answer<Still>> {
        let answer = self.find().await?;
        self.index += 1;
        Some(answer)
    }

    async fn find(&mut self) -> Option<Answer<Still>> {
        loop {
            match self.current.take() {
                Some(Begun::Failed(answer)) => return Some(*answer),
                Some(Begun::Refused(mut answers)) => {
                    if let Some(answer) = answers.next() {
                        self.current = Some(Begun::Refused(answers));
                        return Some(answer);
                    }
                }
                Some(Begun::Taking(mut taking)) => {
                    if let Some(answer) = taking.next().await {
                        self.current = Some(Begun::Taking(taking));
                        return Some(answer);
                    }
                }
                None => {}
            }
            match tokio::time::timeout(MAX_WAIT, self.begun.recv()).await {
                Ok(Some(begun)) => self.current = Some(begun),
                Ok(None) => return self.ended().await,
                Err(_) => return Some(self.failed(busy())),
            }
        }
    }

    /// An end that came too early is no end.
    async fn ended(&mut self) -> Option<Answer<Still>> {
        match self.producer.join_next().await? {
            Ok(()) => None,
            Err(failed) => {
                let error = Error::internal("a task that decodes failed").caused_by(failed);
                Some(self.failed(error))
            }
        }
    }

    fn failed(&self, error: Error) -> Answer<Still> {
        Answer {
            index: self.index,
            sequence: None,
            result: Err(error),
        }
    }
}

fn busy() -> Error {
    Error::new(
        Reason::QueueFull,
        "all decoders were busy with other calls for too long",
    )
    .hint("ask again later")
}

fn parameters_of(plan: &Planned) -> Result<Parameters> {
    plan_parameters(plan.plan())
}

fn plan_parameters(plan: &Plan) -> Result<Parameters> {
    let parameters = plan.parameters.clone();
    parameters.ok_or_else(|| Error::internal("an extracted plan has no parameters"))
}
