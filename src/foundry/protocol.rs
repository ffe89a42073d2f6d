//! What is asked of a media process, and what it answers, as values with a wire form.
//!
//! A call has a channel of its own: one request, then answers, the last of which ends it. A source
//! goes along as descriptors of its files, or of a socket on which its bytes are asked for.

use serde::{Deserialize, Serialize};

use crate::decode::Backend;
use crate::demux::Cut;
use crate::error::{Error, Reason, Result};
use crate::extract::{SpanEnd, SpanJob};
use crate::foundry::CardsThere;
use crate::foundry::probe::Probe;
use crate::media::facts::FrameFacts;
use crate::media::picture::Orientation;
use crate::media::time::TimeBase;
use crate::sandbox::{Report, Sandbox};
use crate::tensor::TensorSpec;
use crate::timeline::index::{ClockFacts, Identity, Shown, SourceIndex, Unshown};

/// Both ends are the same binary; another one is told by its version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first one of each process.
    Start {
        version: String,
        workers: usize,
        walls: Walls,
    },
    Index(Footing),
    Probe(Footing),
    Framemd5(Footing, Backend, usize),
    Cards,
    Check(Backend),
    Develop(Footing, Box<SpanJob>, Beside),
    /// The same, on a decoder of its own.
    Footage(Footing, Box<SpanJob>, Beside),
    /// The bulk is the file.
    Jpeg,
    /// The bulk is files, one behind the other: the bytes of each, and its picture's least width and height.
    JpegsAtLeast(Vec<(usize, usize, usize)>),
}

/// What a process is held by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// None: required where the kernel has it, and where no GPU decodes.
    pub sandbox: Option<Sandbox>,
    /// Bytes of addresses that a process may have, where no GPU decodes; none: 8 GiB, and 256 MiB for
    /// each worker.
    pub memory: Option<u64>,
}

/// Who asks for a span, and what for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beside {
    pub caller: u64,
    pub awaited: bool,
    /// The tensor that is made of its pictures.
    pub tensor: Option<TensorSpec>,
}

/// A source as it is handed over.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Footing {
    /// Under which its index is kept. Another source has another.
    pub id: u64,
    pub stream: Option<u32>,
    pub identities: (Identity, Option<Identity>),
    pub bytes: Bytes,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Bytes {
    /// Sizes of files, whose descriptors come along in this order.
    Files(Vec<u64>),
    /// Asked for by offset over sockets of readers, which are sent over the descriptor that comes along.
    Ranges { bytes: u64, skips: bool },
}

/// A reader's question; the answer is a bulk, or a fault.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Range {
    pub offset: u64,
    pub bytes: u32,
}

/// Of a reader: whether the bulk is what was asked for.
pub(super) type Read = Result<(), Fault>;

/// While a call is under way, from who asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// A reader waits for it from now on.
    Raise,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Started(Report),
    /// The bulk is the index.
    Indexed(Box<Told>),
    Probed(Box<Probe>),
    /// The bulk is the text; whether the decoder complained.
    Described(bool),
    Cards(CardsThere),
    Checked,
    /// The bulk is the picture.
    Made(Vec<FrameFacts>, bool),
    Restarted,
    Ended(SpanEnd),
    /// Width and height; the bulk is RGB.
    Picture(usize, usize),
    /// The same of several, one behind the other.
    Pictures(Vec<(usize, usize)>),
    Failed(Fault),
    /// Its GPU gives this process nothing more, whatever is asked of it from now on.
    Spent,
    /// It goes on: this call, or only others in front of it; and whether bytes of sources are waited for.
    Goes {
        own: bool,
        reads: bool,
    },
}

/// An error without what only its own process can show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fault {
    reason: Reason,
    message: String,
    hint: Option<String>,
    field: Option<String>,
    cause: Option<String>,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        use std::error::Error as _;
        Fault {
            reason: error.reason(),
            message: error.message().to_owned(),
            hint: error.hint_text().map(str::to_owned),
            field: error.field_path().map(str::to_owned),
            cause: error.source().map(ToString::to_string),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let mut error = Error::new(fault.reason, fault.message);
        if let Some(hint) = fault.hint {
            error = error.hint(hint);
        }
        if let Some(field) = fault.field {
            error = error.in_field(field);
        }
        match fault.cause {
            Some(cause) => error.caused_by(std::io::Error::other(cause)),
            None => error,
        }
    }
}

/// What is known of a video where its track is not. Its index is told as bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Told {
    pub units: usize,
    pub size: (u32, u32),
    pub orientation: Orientation,
    pub gradual: bool,
    /// Why no frames are made of its pictures.
    pub unfit: Option<Fault>,
    stream: u32,
    time_base: TimeBase,
    unshown: Unshown,
    clock: ClockFacts,
    source: Identity,
    init: Option<Identity>,
    revision: u32,
    /// Pictures that are shown; the rest are cut points.
    shown: usize,
}

/// Bytes of a picture that is shown, and of a cut point: little endian, in the order of their fields.
const SHOWN_BYTES: usize = 8 + 8 + 4 + 1;
const CUT_BYTES: usize = 4 + 8;

impl Told {
    /// With the index as bytes.
    pub fn of(
        (units, size): (usize, (u32, u32)),
        (orientation, gradual, unfit): (Orientation, bool, Option<Fault>),
        (index, cuts): (&SourceIndex, &[Cut]),
    ) -> (Told, Vec<u8>) {
        let mut bytes =
            Vec::with_capacity(SHOWN_BYTES * index.shown.len() + CUT_BYTES * cuts.len());
        for shown in &index.shown {
            bytes.extend(shown.pts.to_le_bytes());
            bytes.extend(shown.duration.to_le_bytes());
            bytes.extend(shown.unit.to_le_bytes());
            bytes.push(u8::from(shown.cut));
        }
        for cut in cuts {
            bytes.extend(cut.unit.to_le_bytes());
            bytes.extend(cut.time.to_le_bytes());
        }
        let told = Told {
            units,
            size,
            orientation,
            gradual,
            unfit,
            stream: index.stream,
            time_base: index.time_base,
            unshown: index.unshown,
            clock: index.clock.clone(),
            source: index.source.clone(),
            init: index.init.clone(),
            revision: index.revision,
            shown: index.shown.len(),
        };
        (told, bytes)
    }

    /// The index and the cut points; none where they are none.
    pub fn index(&self, bytes: &[u8]) -> Option<(SourceIndex, Vec<Cut>)> {
        let (shown, cuts) = bytes.split_at_checked(self.shown.checked_mul(SHOWN_BYTES)?)?;
        let shown = shown.as_chunks::<SHOWN_BYTES>().0.iter().map(shown_of);
        let (cuts, rest) = cuts.as_chunks::<CUT_BYTES>();
        let index = SourceIndex {
            stream: self.stream,
            time_base: self.time_base,
            shown: shown.collect(),
            unshown: self.unshown,
            clock: self.clock.clone(),
            source: self.source.clone(),
            init: self.init.clone(),
            revision: self.revision,
        };
        let ordered = index.shown.is_sorted_by_key(|shown| shown.pts);
        let inside = |shown: &Shown| (shown.unit as usize) < self.units && shown.duration >= 0;
        let sound = ordered && !index.shown.is_empty() && index.shown.iter().all(inside);
        (sound && rest.is_empty()).then(|| (index, cuts.iter().map(cut_of).collect()))
    }
}

fn shown_of(bytes: &[u8; SHOWN_BYTES]) -> Shown {
    let [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l,
        m,
        n,
        o,
        p,
        q,
        r,
        s,
        t,
        cut,
    ] = *bytes;
    Shown {
        pts: i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        duration: i64::from_le_bytes([i, j, k, l, m, n, o, p]),
        unit: u32::from_le_bytes([q, r, s, t]),
        cut: cut != 0,
    }
}

fn cut_of(bytes: &[u8; CUT_BYTES]) -> Cut {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    Cut {
        unit: u32::from_le_bytes([a, b, c, d]),
        time: i64::from_le_bytes([e, f, g, h, i, j, k, l]),
    }
}
