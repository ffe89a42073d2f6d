//! NVIDIA's parser, and what it calls back.
//!
//! Note: the callbacks run inside `cuvidParseVideoData`, on the calling thread, and call on: the
//! decode callback into the decoder, the display callback into whoever takes pictures. So a picture
//! is with its taker before the parser can want its surface again, and waiting for one to be let go
//! of cannot wait for ourselves. Nothing unwinds through NVIDIA's frames: a failure or a panic is
//! kept, 0 is returned, and it goes on from where the parser was called.

use std::any::Any;
use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::caps;
use super::library::{SUCCESS, blames_the_stream, failure};
use super::picture::Picture;
use super::pool::Pool;
use super::sequence::Sequence;
use super::session::{Content, Decoded, Session};
use super::shape::Codec;
use super::{Options, Refusal, nonsense};
use crate::decode::Event;
use crate::error::{Error, Result};
use crate::gpu::sys::cuvid::{
    self, DisplayInfo, ParserHandle, ParserParams, PictureParams, SourcePacket, VideoFormat,
    VideoFormatEx,
};

/// Whoever takes pictures.
pub(super) type Out<'a> = dyn FnMut(Event<Picture>) -> Result<()> + 'a;

/// Bytes for the parser.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub bytes: &'a [u8],
    /// What the pictures are labelled by that it begins or shows; none for a header.
    pub unit: Option<u32>,
    /// Exactly one picture is in it: the parser is not to wait for the next one's first bytes.
    pub one_picture: bool,
}

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    Taken,
    Refused,
}

pub(super) struct Parser {
    handle: Option<ParserHandle>,
    /// It was given nothing since it was created, or since a stream ended.
    fresh: bool,
    /// It refused nothing since then.
    sound: bool,
    /// What the callbacks work on: theirs while the parser is called, ours between. Boxed, since
    /// the parser keeps its address.
    state: NonNull<State>,
}

// SAFETY: the parser may be used from any thread, one at a time; it is only used through `&mut
// self`. The state is owned, and everything in it is Send but `out` and `fault`, which are empty
// between calls.
unsafe impl Send for Parser {}

struct State {
    pool: Pool,
    codec: Codec,
    options: Options,
    session: Option<Arc<Session>>,
    sequence: Option<Sequence>,
    /// Of the first sequence; kept when the parser begins anew.
    signal: Option<[u8; 4]>,
    /// What the parser was given last.
    unit: u32,
    /// Pictures were decoded since the parser began.
    began: bool,
    /// Units whose pictures are decoded but not shown (edit lists).
    hidden: HashSet<u32>,
    damage: bool,
    /// In what streams that ended had decoded by a decoder that was replaced.
    late_damage: bool,
    refused: bool,
    /// Set while the parser is called.
    out: Option<NonNull<Out<'static>>>,
    fault: Option<Fault>,
}

/// What stopped a callback.
enum Fault {
    Error(Error),
    Panic(Box<dyn Any + Send>),
}

impl Parser {
    pub fn new(pool: &Pool, codec: Codec, options: Options) -> Self {
        let state = Box::new(State {
            pool: pool.clone(),
            codec,
            options,
            session: None,
            sequence: None,
            signal: None,
            unit: 0,
            began: false,
            hidden: HashSet::new(),
            damage: false,
            late_damage: false,
            refused: false,
            out: None,
            fault: None,
        });
        Parser {
            handle: None,
            fresh: true,
            sound: true,
            state: NonNull::from(Box::leak(state)),
        }
    }

    fn state(&mut self) -> &mut State {
        // SAFETY: allocated in `new`, freed on drop; no callback runs now, since the parser is
        // called only through `&mut self`.
        unsafe { self.state.as_mut() }
    }

    /// Whether the next bytes must begin with the stream's header.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Begins a stream, with the parser of the one before where that took everything.
    ///
    /// # Errors
    /// GPU_UNAVAILABLE where the driver creates none.
    pub fn begin(&mut self, header: &[u8]) -> Result<()> {
        let state = self.state();
        state.began = false;
        state.hidden.clear();
        if self.handle.is_none() {
            self.create(header)?;
        }
        (self.fresh, self.sound) = (false, true);
        Ok(())
    }

    fn create(&mut self, header: &[u8]) -> Result<()> {
        let header = VideoFormatEx::with_header(header);
        let user_data = self.state.as_ptr().cast();
        let state = self.state();
        // SAFETY: a structure of `cuvid`.
        let mut params: ParserParams = unsafe { cuvid::zeroed() };
        params.codec = state.codec.raw();
        // Overridden by what the sequence callback returns.
        params.max_decode_surfaces = 1;
        params.error_threshold = 100;
        // With a delay, pictures of an old sequence are displayed after the new one's callback.
        params.max_display_delay = 0;
        params.user_data = user_data;
        params.sequence = Some(on_sequence);
        params.decode = Some(on_decode);
        params.display = Some(on_display);
        params.header = header.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut handle = ptr::null_mut();
        state.pool.device().bind()?;
        // SAFETY: the structure is the header's; the state lives longer than the parser.
        match unsafe { (state.pool.library().create_parser)(&mut handle, &mut params) } {
            SUCCESS => self.handle = Some(handle),
            status => return Err(failure("could not create a video parser", status)),
        }
        Ok(())
    }

    /// Pictures of this unit are not shown, as libavcodec does with packets that are to be discarded.
    pub fn hide(&mut self, unit: u32) {
        self.state().hidden.insert(unit);
    }

    /// Parses bytes; pictures that become ready go to `out`.
    pub fn parse(&mut self, data: Data<'_>, out: &mut Out<'_>) -> Result<Parsed> {
        if let Some(unit) = data.unit {
            self.state().unit = unit;
        }
        let packet = SourcePacket {
            flags: match data.one_picture {
                true => cuvid::packet::END_OF_PICTURE,
                false => 0,
            },
            bytes: data.bytes.len() as u64,
            payload: data.bytes.as_ptr(),
            timestamp: 0,
        };
        self.call(packet, out)
    }

    /// Delivers what is held. At the end of a stream the parser forgets its sequence and its references, and may
    /// begin another; one that met damage is not relied on to have forgotten it.
    pub fn end(&mut self, out: &mut Out<'_>) -> Result<Parsed> {
        if self.fresh {
            return Ok(Parsed::Taken);
        }
        let packet = SourcePacket {
            flags: cuvid::packet::END_OF_STREAM,
            bytes: 0,
            payload: ptr::null(),
            timestamp: 0,
        };
        let parsed = self.call(packet, out);
        self.close();
        if !self.sound {
            self.discard();
        }
        parsed
    }

    /// What comes next is of another stream.
    fn close(&mut self) {
        self.fresh = true;
        if let Some(session) = &self.state().session {
            session.close();
        }
    }

    /// Waits for what streams that ended have the engine do. Whether that met damage not told of yet.
    pub fn settle(&mut self) -> Result<bool> {
        let state = self.state();
        let before = std::mem::take(&mut state.late_damage);
        let Some(session) = state.session.clone() else {
            return Ok(before);
        };
        let settled = session.settle_closed();
        if settled.is_err() {
            self.break_off();
        }
        Ok(before | settled?)
    }

    /// Forgets what is held, without delivering it.
    pub fn discard(&mut self) {
        self.close();
        let Some(handle) = self.handle.take() else {
            return;
        };
        let state = self.state();
        if let Err(error) = state.pool.device().bind() {
            tracing::warn!("a video parser is given up: {error}");
            return;
        }
        // SAFETY: created in `begin`, destroyed once.
        let status = unsafe { (state.pool.library().destroy_parser)(handle) };
        if status != SUCCESS {
            tracing::warn!(status, "could not destroy a video parser");
        }
    }

    /// Whether damage was met since this was last asked.
    pub fn take_damage(&mut self) -> bool {
        let state = self.state();
        let session = state.session.as_ref().is_some_and(|s| s.take_damage());
        std::mem::take(&mut state.damage) | session
    }

    fn call(&mut self, mut packet: SourcePacket, out: &mut Out<'_>) -> Result<Parsed> {
        let Some(handle) = self.handle else {
            return Err(Error::internal("a video parser is used before it began"));
        };
        let sink: NonNull<Out<'_>> = NonNull::from(out);
        let state = self.state();
        // SAFETY: only the lifetime changes: the callbacks use it within the call below, after
        // which it is taken away again, and `out` is borrowed for longer.
        state.out =
            Some(unsafe { std::mem::transmute::<NonNull<Out<'_>>, NonNull<Out<'static>>>(sink) });
        let parse = state.pool.library().parse;
        state.pool.device().bind()?;
        // SAFETY: the parser exists; the packet's bytes live as long as the call, and are copied.
        // The callbacks have the state to themselves: no reference to it is used here meanwhile.
        let status = unsafe { parse(handle, &mut packet) };
        let state = self.state();
        state.out = None;
        let refused = std::mem::take(&mut state.refused);
        match state.fault.take() {
            Some(Fault::Panic(panic)) => {
                self.break_off();
                resume_unwind(panic)
            }
            Some(Fault::Error(error)) => {
                self.break_off();
                Err(error)
            }
            None if status == SUCCESS && !refused => Ok(Parsed::Taken),
            None if status == SUCCESS || blames_the_stream(status) => {
                self.state().damage = true;
                self.sound = false;
                Ok(Parsed::Refused)
            }
            // Of some damaged AV1 NVIDIA's parser says UNKNOWN; called again after that it may crash.
            None => {
                self.break_off();
                Err(failure("could not parse the video", status))
            }
        }
    }

    /// After a failure nobody knows where parser and decoder are: neither is used again.
    fn break_off(&mut self) {
        self.discard();
        let state = self.state();
        if let Some(session) = state.session.take() {
            session.break_off();
        }
        state.sequence = None;
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        self.discard();
        // SAFETY: leaked in `new`, taken back once; the parser, which knew its address, is gone.
        drop(unsafe { Box::from_raw(self.state.as_ptr()) });
    }
}

impl State {
    /// Answers with the number of surfaces that the parser may use.
    fn sequence(&mut self, format: &VideoFormat) -> Result<c_int> {
        let sequence = Sequence::read(format, self.codec)?;
        if *self.signal.get_or_insert(sequence.signal) != sequence.signal {
            return Err(Refusal::ColourChanges.into());
        }
        let (width, height) = sequence.coded;
        caps::check(self.pool.device(), sequence.shape, width, height)?;
        let wanted = sequence.surfaces + self.options.extra_surfaces;
        let session = match self.fitting(&sequence, wanted)? {
            Some(session) => session,
            None => self.replace(&sequence, wanted)?,
        };
        self.sequence = Some(sequence);
        c_int::try_from(session.surfaces()?)
            .map_err(|_| Error::internal("more surfaces than a number holds"))
    }

    /// The decoder in use, where it serves.
    fn fitting(&self, sequence: &Sequence, wanted: u32) -> Result<Option<Arc<Session>>> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let same = session.shape()? == sequence.shape && session.coded()? == sequence.coded;
        Ok((same && session.surfaces()? >= wanted).then(|| session.clone()))
    }

    /// The old decoder goes back when its last picture is let go of.
    fn replace(&mut self, sequence: &Sequence, wanted: u32) -> Result<Arc<Session>> {
        if let Some(old) = self.session.take() {
            old.settle()?;
            self.damage |= old.take_damage();
            self.late_damage |= old.settle_closed()?;
            // H.264, HEVC and VP8 change only at key frames, before which all is displayed. In the
            // others new pictures may depend on old ones of another size, which a new decoder lacks.
            if self.began && matches!(self.codec, Codec::Vp9 | Codec::Av1) {
                return Err(Refusal::SizeChanges.into());
            }
        }
        let session = Arc::new(self.pool.take(sequence, wanted)?);
        self.session = Some(session.clone());
        Ok(session)
    }

    /// # Safety
    /// `params` must be what the parser gave its decode callback.
    unsafe fn decode(&mut self, params: *mut PictureParams) -> Result<c_int> {
        let (Some(session), Some(sequence)) = (&self.session, &self.sequence) else {
            return Err(nonsense("a picture before its sequence", 0));
        };
        // SAFETY: by the caller. The union's AV1 part is plain numbers.
        let grain = unsafe { (*params).specific.av1.sequence_bits } & cuvid::AV1_FILM_GRAIN != 0;
        if self.codec == Codec::Av1 && grain {
            return Err(Refusal::FilmGrain.into());
        }
        self.began = true;
        let content = Content {
            unit: self.unit,
            crop: sequence.crop,
        };
        // SAFETY: by the caller.
        let decoded = unsafe { session.decode(params, content) }?;
        self.refused |= decoded == Decoded::Refused;
        Ok(1)
    }

    /// The unit of a picture that is displayed now.
    ///
    /// Note: timestamps are no labels. NVIDIA's parser takes them for decoding times, and gives the
    /// displayed pictures those of the decoded ones sorted.
    fn label(&self, content: Content) -> u32 {
        match self.codec {
            // Reordered: pictures are those of the units that they began in.
            Codec::H264 | Codec::Hevc => content.unit,
            // Never reordered, but hidden, and shown by a unit without a picture: it is that unit's.
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => self.unit,
        }
    }

    fn display(&mut self, info: &DisplayInfo) -> Result<c_int> {
        let Some(session) = self.session.clone() else {
            return Err(nonsense(
                "a picture before its sequence",
                info.picture_index,
            ));
        };
        let Some(held) = session.hold(info.picture_index)? else {
            return Ok(1);
        };
        let unit = self.label(held.content);
        let picture = Picture::held(session, held, info.progressive != 0);
        let Some(mut out) = self.out.filter(|_| !self.hidden.contains(&unit)) else {
            return Ok(1);
        };
        // SAFETY: set for the time of the call that this callback runs in; nothing else uses it now.
        let out = unsafe { out.as_mut() };
        out(Event::Picture {
            unit,
            picture,
            // That is known once it is mapped, or at the end.
            damaged: false,
        })?;
        Ok(1)
    }
}

unsafe extern "C" fn on_sequence(user: *mut c_void, format: *mut VideoFormat) -> c_int {
    // SAFETY: the parser's call, with what it was given and what it made.
    unsafe {
        guard(user, |state| match format.as_ref() {
            Some(format) => state.sequence(format),
            None => Err(nonsense("no sequence", 0)),
        })
    }
}

unsafe extern "C" fn on_decode(user: *mut c_void, params: *mut PictureParams) -> c_int {
    // SAFETY: as above.
    unsafe {
        guard(user, |state| match params.is_null() {
            true => Err(nonsense("no picture to decode", 0)),
            false => state.decode(params),
        })
    }
}

unsafe extern "C" fn on_display(user: *mut c_void, info: *mut DisplayInfo) -> c_int {
    // SAFETY: as above.
    unsafe {
        guard(user, |state| match info.as_ref() {
            // The end of the stream, as some versions say it.
            None => Ok(1),
            Some(info) => state.display(info),
        })
    }
}

/// Keeps what goes wrong, so that nothing unwinds through the parser; 0 tells it to stop.
///
/// # Safety
/// `user` must be null or the [`State`] that the parser was created with, and nobody else may use it now.
unsafe fn guard(user: *mut c_void, call: impl FnOnce(&mut State) -> Result<c_int>) -> c_int {
    // SAFETY: by the caller.
    let Some(state) = (unsafe { user.cast::<State>().as_mut() }) else {
        return 0;
    };
    if state.fault.is_some() {
        return 0;
    }
    let fault = match catch_unwind(AssertUnwindSafe(|| call(state))) {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => Fault::Error(error),
        Err(panic) => Fault::Panic(panic),
    };
    state.fault = Some(fault);
    0
}
