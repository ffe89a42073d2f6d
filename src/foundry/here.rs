//! Media in this very process.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use crate::cancel::Stop;
use crate::decode::Backend;
use crate::demux;
use crate::error::{Error, Result};
use crate::extract::{Cards, Engine, SpanEvent, SpanJob, SpanMedia};
use crate::foundry::framemd5::{Report, framemd5};
use crate::foundry::lanes::Lanes;
use crate::foundry::media::Known;
use crate::foundry::probe::{Probe, probe};
use crate::foundry::{CardsThere, Foundry, Lent, Media, Source};
use crate::jpeg;
use crate::pixel::RgbImage;

/// Decodes on threads of this process, and on this machine's cards.
pub struct Here {
    workers: usize,
    /// Made for the first span: an index needs no threads.
    engine: OnceLock<Engine>,
    lanes: Arc<Lanes>,
    cards: Arc<Cards>,
}

impl Here {
    /// `workers`: threads that decode and develop.
    pub fn new(workers: usize) -> Self {
        let cards = Arc::new(Cards::new());
        Here {
            workers: workers.max(1),
            engine: OnceLock::new(),
            lanes: Arc::new(Lanes::new(cards.clone())),
            cards,
        }
    }

    fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let made = Engine::new(self.workers, self.cards.clone())?;
        Ok(self.engine.get_or_init(|| made))
    }
}

impl Foundry for Here {
    fn index(&self, source: Source, stop: &Stop) -> Result<Media> {
        crate::av::init();
        let Source {
            opener,
            stream,
            identities,
        } = source;
        let track = demux::read_track(&*opener, stream, identities, stop)?;
        track.info.check_decoder()?;
        Ok(Media(Known::Here(SpanMedia {
            track: Arc::new(track),
            opener,
        })))
    }

    fn probe(&self, media: &Media, stop: &Stop) -> Result<Probe> {
        probe(media_here(media)?, stop)
    }

    fn framemd5(&self, media: &Media, how: (Backend, usize), stop: &Stop) -> Result<Report> {
        let media = media_here(media)?;
        framemd5(&media.track, &media.opener, how, stop)
    }

    fn cards(&self) -> Result<CardsThere> {
        Ok(CardsThere::here())
    }

    fn check(&self, backend: Backend) -> Result<()> {
        self.cards.check(backend)
    }

    fn develop(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>) {
        let means = self
            .engine()
            .and_then(|engine| Ok((engine, media_here(media)?)));
        match means {
            Ok((engine, media)) => engine.submit(job, media.clone(), events),
            // A queue that is new has room.
            Err(error) => drop(events.try_send(SpanEvent::Ended(Err(error)))),
        }
    }

    fn footage(&self, job: SpanJob, media: &Media, events: Sender<SpanEvent>) -> Result<Lent> {
        let media = media_here(media)?.clone();
        let lane = self.lanes.lend()?;
        lane.submit(job, media, events);
        Ok(Box::new(lane))
    }

    fn jpeg_into(&self, jpeg: &[u8], out: &mut RgbImage) -> Result<()> {
        jpeg::decode_rgb_into(jpeg, out)
    }

    fn jpegs_at_least(&self, wanted: &[(Bytes, (usize, usize))]) -> Result<Vec<RgbImage>> {
        let pictures = wanted.iter();
        pictures
            .map(|(jpeg, least)| jpeg::decode_rgb_at_least(jpeg, *least))
            .collect()
    }
}

fn media_here(media: &Media) -> Result<&SpanMedia> {
    match &media.0 {
        Known::Here(media) => Ok(media),
        Known::Apart(_) => Err(Error::internal("the media is of another process")),
    }
}
