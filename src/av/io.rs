//! Custom I/O: an AVIOContext that reads one of our byte sources.

use std::ffi::{c_int, c_void};
use std::io::SeekFrom;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use ffmpeg_next::ffi;

use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::source::{ByteSource, read_full};

/// One read of the source; libavformat asks for at most this much at once. Small enough that what
/// was read is still in the L2 cache when libavformat copies it into packets.
const BUFFER_BYTES: usize = 64 << 10;

/// An AVIOContext and the source it reads. Dropped after the format context.
pub(super) struct SourceIo {
    context: *mut ffi::AVIOContext,
    reader: Box<Reader>,
}

struct Reader {
    source: Box<dyn ByteSource>,
    position: u64,
    /// Reads go here first: libavformat's buffer may be its live window, which a
    /// read that fails or ends must leave as it is.
    scratch: Vec<u8>,
    /// The first failure: libavformat only carries an errno.
    error: Option<Error>,
    skim: Option<Skim>,
    stop: Stop,
}

/// Of longer reads only the first bytes are made: `head`, or as many more as tell enough.
struct Skim {
    head: usize,
    enough: Enough,
    cut: Cut,
}

/// Whether the first bytes of a read tell what is looked for.
pub type Enough = Box<dyn Fn(&[u8]) -> bool + Send>;

/// Reads that were cut short.
#[derive(Default)]
pub(super) struct Cut {
    pub count: usize,
    /// The last one: where it began, how much it was to read, and how much of that it read.
    pub offset: u64,
    pub length: usize,
    pub known: usize,
}

// SAFETY: the context is touched only through `&mut` of the owner, by one
// thread at a time, and the source and what skims it are Send.
unsafe impl Send for SourceIo {}

impl SourceIo {
    pub fn new(mut source: Box<dyn ByteSource>, stop: Stop) -> Result<Self> {
        source.follow(&stop);
        let mut reader = Box::new(Reader {
            source,
            position: 0,
            scratch: vec![0; BUFFER_BYTES],
            error: None,
            skim: None,
            stop,
        });
        // SAFETY: the buffer is av_malloc'ed as avio_alloc_context demands, and the
        // reader's box stays at its address until drop, after the context is freed.
        let context = unsafe {
            let buffer = ffi::av_malloc(BUFFER_BYTES).cast::<u8>();
            if buffer.is_null() {
                return Err(Error::internal("could not allocate an I/O buffer"));
            }
            ffi::avio_alloc_context(
                buffer,
                BUFFER_BYTES as c_int,
                0,
                ptr::from_mut(reader.as_mut()).cast::<c_void>(),
                Some(read),
                None,
                Some(seek),
            )
        };
        if context.is_null() {
            return Err(Error::internal("could not allocate an I/O context"));
        }
        Ok(SourceIo { context, reader })
    }

    pub fn as_mut_ptr(&mut self) -> *mut ffi::AVIOContext {
        self.context
    }

    /// What libavformat asks in loops that read nothing, or wait. Valid as long as this is.
    pub fn interrupt(&mut self) -> ffi::AVIOInterruptCB {
        ffi::AVIOInterruptCB {
            callback: Some(interrupted),
            opaque: ptr::from_mut(self.reader.as_mut()).cast::<c_void>(),
        }
    }

    /// Whether reading goes on is asked of this from now on.
    pub fn follow(&mut self, stop: Stop) {
        self.reader.source.follow(&stop);
        self.reader.stop = stop;
    }

    /// From now on reads go to the source as libavformat's callers make them, one for a whole packet,
    /// and only their first `head` bytes are filled in, or as many more as are `enough` (64 KiB at most).
    pub fn skim(&mut self, head: usize, enough: Enough) {
        self.reader.skim = Some(Skim {
            head: head.clamp(1, BUFFER_BYTES),
            enough,
            cut: Cut::default(),
        });
        // SAFETY: the context is ours; `direct` is the caller's to set.
        unsafe { (*self.context).direct = 1 };
    }

    /// Reading here and there costs the source nothing.
    pub fn skips(&self) -> bool {
        self.reader.source.skips()
    }

    /// The reads since the last call that were cut short.
    pub fn take_cut(&mut self) -> Cut {
        let cut = self.reader.skim.as_mut().map(|skim| &mut skim.cut);
        cut.map(std::mem::take).unwrap_or_default()
    }

    /// The source's first bytes, as far as they can be read.
    pub fn head(&mut self, bytes: usize) -> Vec<u8> {
        let mut head = vec![0; bytes];
        let filled = read_full(self.reader.source.as_mut(), 0, &mut head);
        head.truncate(filled.unwrap_or(0));
        head
    }

    /// Size of the source in bytes.
    pub fn bytes(&self) -> u64 {
        self.reader.source.bytes()
    }

    /// What the source itself failed with, or that nobody wants it any more, if that is why a call failed.
    pub fn take_error(&mut self) -> Option<Error> {
        self.reader.error.take()
    }

    /// The same of a call that failed.
    pub fn failed(&mut self) -> Option<Error> {
        self.take_error().or_else(|| self.reader.stop.check().err())
    }
}

impl Reader {
    /// Reads into the scratch what comes of `length` bytes: how many, and how many it is to say.
    fn read(&mut self, length: usize) -> Result<(usize, usize)> {
        self.stop.check()?;
        let whole = length.min(self.scratch.len());
        match self.skim.as_ref().filter(|skim| skim.head < whole) {
            None => {
                let count = self
                    .source
                    .read_at(self.position, &mut self.scratch[..whole])?;
                Ok((count.min(whole), count.min(whole)))
            }
            Some(skim) => {
                let mut known = 0;
                let mut wanted = skim.head;
                loop {
                    let part = &mut self.scratch[known..wanted];
                    known += read_full(self.source.as_mut(), self.position + known as u64, part)?;
                    let more = known == wanted && wanted < whole;
                    if !more || (skim.enough)(&self.scratch[..known]) {
                        break;
                    }
                    wanted = whole.min(wanted * 4);
                }
                let known = known.min(whole);
                Ok((known, self.passed(known, length)))
            }
        }
    }

    /// How many bytes a read of `length` says it made of which `known` were.
    fn passed(&mut self, known: usize, length: usize) -> usize {
        let left = self.source.bytes().saturating_sub(self.position);
        let said = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(skim) = &mut self.skim
            && known < said
        {
            skim.cut = Cut {
                count: skim.cut.count + 1,
                offset: self.position,
                length,
                known,
            };
        }
        said
    }
}

impl Drop for SourceIo {
    fn drop(&mut self) {
        // SAFETY: the owner closed the format context before; libavformat may have
        // replaced the buffer, so the context's own pointer is freed.
        unsafe {
            ffi::av_freep(ptr::addr_of_mut!((*self.context).buffer).cast());
            ffi::avio_context_free(&mut self.context);
        }
    }
}

extern "C" fn read(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    // SAFETY: opaque is the boxed reader given at creation, alive as long as the context.
    let reader = unsafe { &mut *opaque.cast::<Reader>() };
    let length = length.max(0) as usize;
    match catch_unwind(AssertUnwindSafe(|| reader.read(length))) {
        Ok(Ok((0, _))) => ffi::AVERROR_EOF,
        Ok(Ok((count, said))) => {
            // SAFETY: libavformat's buffer holds `length` >= count bytes, and the scratch is not it.
            unsafe { ptr::copy_nonoverlapping(reader.scratch.as_ptr(), buffer, count) };
            reader.position += said as u64;
            said as c_int
        }
        Ok(Err(error)) => {
            reader.error.get_or_insert(error);
            ffi::AVERROR(ffi::EIO)
        }
        Err(_) => ffi::AVERROR_EXTERNAL,
    }
}

extern "C" fn interrupted(opaque: *mut c_void) -> c_int {
    // SAFETY: as in `read`, which is not under way: libavformat asks between its reads.
    let reader = unsafe { &*opaque.cast::<Reader>() };
    let asked = catch_unwind(AssertUnwindSafe(|| reader.stop.is_set()));
    c_int::from(asked.unwrap_or(true))
}

extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let reader = unsafe { &mut *opaque.cast::<Reader>() };
    let size = reader.source.bytes();
    if whence & ffi::AVSEEK_SIZE as c_int != 0 {
        return i64::try_from(size).unwrap_or(i64::MAX);
    }
    let to = match whence & !(ffi::AVSEEK_FORCE as c_int) {
        0 => SeekFrom::Start(offset.max(0) as u64),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return i64::from(ffi::AVERROR(ffi::EINVAL)),
    };
    let target = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::Current(delta) => reader.position.checked_add_signed(delta),
        SeekFrom::End(delta) => size.checked_add_signed(delta),
    };
    match target {
        Some(position) => {
            reader.position = position;
            i64::try_from(position).unwrap_or(i64::MAX)
        }
        None => i64::from(ffi::AVERROR(ffi::EINVAL)),
    }
}
