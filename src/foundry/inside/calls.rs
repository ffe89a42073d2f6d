//! One call, from its request to its last answer, with a thread beside it that hears its caller.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::extract::{Caller, SpanEvent, SpanJob, Turn};
use crate::foundry::inside::Shop;
use crate::foundry::media::Known;
use crate::foundry::protocol::{Answer, Beside, Fault, Footing, Request, Told, Word};
use crate::foundry::{Foundry, Media};
use crate::jpeg;
use crate::pixel::RgbImage;
use crate::tensor::Recipe;
use crate::wire::{Channel, Failure, Received};

/// How often who waits hears that a call goes on; tests wait less.
const BEAT: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 5000 });
/// Pictures that wait in front of the channel.
const QUEUED: usize = 4;

/// What the two threads of a call share.
struct Line {
    channel: Channel,
    gone: AtomicBool,
    left: Notify,
    turn: Turn,
    /// Moves with what is done for this call.
    fed: Arc<AtomicU64>,
    /// Reads of its source that are under way.
    reading: Arc<AtomicUsize>,
}

impl Line {
    fn send<T: Serialize>(&self, head: &T, bulk: &[u8]) -> Result<(), Failure> {
        self.channel.send(head, bulk)
    }

    /// Sends the last answer of a call; before it, that this process had better be the last one's.
    fn end(&self, head: &Answer) -> Result<(), Failure> {
        if crate::gpu::is_spent() {
            self.send(&Answer::Spent, &[])?;
        }
        self.send(head, &[])
    }

    /// Set once the caller left; asking it says that work goes on, if nobody only waits for bytes.
    fn stop(self: &Arc<Self>) -> Stop {
        let line = self.clone();
        Stop::when(move || {
            if line.reading.load(Ordering::Relaxed) == 0 {
                line.fed.fetch_add(1, Ordering::Relaxed);
            }
            line.gone.load(Ordering::Relaxed)
        })
    }

    /// Hears the caller until it leaves, and tells it meanwhile whether work goes on.
    fn hear(&self, shop: &Shop) {
        let mut before = (0, 0);
        loop {
            match self.channel.receive_within(BEAT) {
                Ok(Received::Message(Word::Raise, _)) => self.turn.raise(),
                Ok(Received::Nothing) => {
                    if let Some(goes) = self.goes(shop, &mut before) {
                        // It fails where the caller left, which is heard next.
                        let _ = self.send(&goes, &[]);
                    }
                }
                Ok(Received::End) | Err(_) => break,
            }
        }
        self.gone.store(true, Ordering::Relaxed);
        self.left.notify_one();
    }

    /// What goes on since it was asked `before`: for this call, and for all.
    fn goes(&self, shop: &Shop, before: &mut (u64, u64)) -> Option<Answer> {
        let fed = self.fed.load(Ordering::Relaxed);
        let own = fed != before.0;
        if own {
            shop.pulse.fetch_add(1, Ordering::Relaxed);
        }
        let pulse = shop.pulse.load(Ordering::Relaxed);
        let reads = shop.reading.load(Ordering::Relaxed) > 0;
        let any = own || reads || pulse != before.1;
        *before = (fed, pulse);
        any.then_some(Answer::Goes { own, reads })
    }
}

/// Answers one call to its end.
pub(super) fn answer(shop: &Arc<Shop>, channel: Channel, descriptors: Vec<OwnedFd>) {
    // Who hangs up at once wants nothing.
    let Ok(Some((request, bulk))) = channel.receive::<Request>() else {
        return;
    };
    let turn = match &request {
        Request::Develop(.., beside) | Request::Footage(.., beside) => {
            let caller = Caller::numbered(beside.caller);
            match beside.awaited {
                true => Turn::awaited(caller),
                false => Turn::of(caller),
            }
        }
        _ => Turn::default(),
    };
    let line = Arc::new(Line {
        // Who is slow to take what is made holds up this call, and ends nothing.
        channel: channel.patient(),
        gone: AtomicBool::new(false),
        left: Notify::new(),
        turn,
        fed: Arc::default(),
        reading: Arc::default(),
    });
    let (ear, pulsing) = (line.clone(), shop.clone());
    let thread = std::thread::Builder::new().name("media-ear".to_owned());
    let hearing = thread.spawn(move || ear.hear(&pulsing));
    if hearing.is_ok() {
        let call = Call { shop, line: &line };
        let answered = || call.answer(request, descriptors, &bulk);
        let answered = catch_unwind(AssertUnwindSafe(answered)).unwrap_or_else(|_| {
            Err(Error::internal(
                "a media process panicked; its log has more",
            ))
        });
        if let Err(error) = answered {
            // Nobody hears it where the caller left.
            let _ = line.end(&Answer::Failed(Fault::from(&error)));
        }
    }
    // Ends the other thread, too.
    line.channel.hang_up();
}

struct Call<'c> {
    shop: &'c Arc<Shop>,
    line: &'c Arc<Line>,
}

impl Call<'_> {
    fn answer(&self, request: Request, descriptors: Vec<OwnedFd>, bulk: &[u8]) -> Result<()> {
        #[cfg(test)]
        crate::foundry::apart::planted(&request, self.shop);
        let here = &self.shop.here;
        let stop = self.line.stop();
        let media = |footing: Footing| {
            let reading = &self.line.reading;
            self.shop.media((footing, descriptors), reading, &stop)
        };
        match request {
            Request::Start { .. } => Err(Error::internal("a process starts once")),
            Request::Index(footing) => self.indexed(&media(footing)?),
            Request::Probe(footing) => {
                let probe = here.probe(&media(footing)?, &stop)?;
                Ok(self.line.send(&Answer::Probed(Box::new(probe)), &[])?)
            }
            Request::Framemd5(footing, backend, threads) => {
                let report = here.framemd5(&media(footing)?, (backend, threads), &stop)?;
                let text = report.text.clone();
                let complained = report.complained;
                Ok(self
                    .line
                    .send(&Answer::Described(complained), text.as_bytes())?)
            }
            Request::Cards => {
                let cards = here.cards()?;
                Ok(self.line.send(&Answer::Cards(cards), &[])?)
            }
            Request::Check(backend) => {
                here.check(backend)?;
                Ok(self.line.send(&Answer::Checked, &[])?)
            }
            Request::Develop(footing, job, beside) => {
                self.developed(&media(footing)?, (*job, beside), false)
            }
            Request::Footage(footing, job, beside) => {
                self.developed(&media(footing)?, (*job, beside), true)
            }
            Request::Jpeg => self.pictured(&here.jpeg(bulk)?),
            Request::JpegsAtLeast(wanted) => self.shrunk(&wanted, bulk),
        }
    }

    fn shrunk(&self, wanted: &[(usize, usize, usize)], mut bulk: &[u8]) -> Result<()> {
        let mut sizes = Vec::with_capacity(wanted.len());
        let mut pixels = Vec::new();
        for (bytes, width, height) in wanted {
            let (jpeg, rest) = bulk
                .split_at_checked(*bytes)
                .ok_or_else(|| Error::internal("files came that are shorter than was said"))?;
            bulk = rest;
            let picture = jpeg::decode_rgb_at_least(jpeg, (*width, *height))?;
            sizes.push((picture.width, picture.height));
            pixels.extend_from_slice(&picture.data);
        }
        Ok(self.line.send(&Answer::Pictures(sizes), &pixels)?)
    }

    fn pictured(&self, picture: &RgbImage) -> Result<()> {
        let answer = Answer::Picture(picture.width, picture.height);
        Ok(self.line.send(&answer, &picture.data)?)
    }

    fn indexed(&self, media: &Media) -> Result<()> {
        let Known::Here(known) = &media.0 else {
            return Ok(());
        };
        let unfit = media.check_pictures().err();
        let about = (
            known.track.orientation,
            known.track.gradual,
            unfit.as_ref().map(Fault::from),
        );
        let size = (media.units(), media.size());
        let (told, bytes) = Told::of(size, about, (media.index(), &known.track.cuts));
        Ok(self.line.send(&Answer::Indexed(Box::new(told)), &bytes)?)
    }

    fn developed(
        &self,
        media: &Media,
        (job, beside): (SpanJob, Beside),
        in_order: bool,
    ) -> Result<()> {
        let recipe = beside.tensor.map(Recipe::new).transpose()?;
        let job = SpanJob {
            recipe: recipe.map(Arc::new),
            turn: self.line.turn.clone(),
            fed: self.line.fed.clone(),
            ..job
        };
        let (sender, mut events) = mpsc::channel(QUEUED);
        let here = &self.shop.here;
        let _lent = match in_order {
            true => Some(here.footage(job, media, sender)?),
            false => {
                here.develop(job, media, sender);
                None
            }
        };
        let waiting = tokio::runtime::Builder::new_current_thread().build();
        let waiting = waiting.map_err(|e| Error::internal("no way to wait").caused_by(e))?;
        waiting.block_on(async {
            loop {
                let event = tokio::select! {
                    biased;
                    () = self.line.left.notified() => return Ok(()),
                    event = events.recv() => event,
                };
                match event {
                    Some(SpanEvent::Made(made)) => {
                        self.line
                            .send(&Answer::Made(made.facts, made.is_tensor), &made.data)?;
                    }
                    Some(SpanEvent::Restarted) => self.line.send(&Answer::Restarted, &[])?,
                    Some(SpanEvent::Ended(end)) => {
                        return Ok(self.line.end(&Answer::Ended(end?))?);
                    }
                    None => return Ok(()),
                }
            }
        })
    }
}
