//! The fence around `coder.c`: libjpeg's compressor, which takes a picture strip by strip.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::media::picture::JfifView;

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn framecache_coder_new() -> *mut Opaque;
    fn framecache_coder_free(coder: *mut Opaque);
    fn framecache_coder_message(coder: *const Opaque) -> *const c_char;
    fn framecache_coder_begin(
        coder: *mut Opaque,
        width: c_uint,
        height: c_uint,
        gray: c_int,
        quality: c_int,
        out: *mut u8,
        capacity: usize,
    ) -> c_int;
    fn framecache_coder_rows(
        coder: *mut Opaque,
        planes: *const [*const u8; 3],
        rows: c_uint,
    ) -> c_int;
    fn framecache_coder_end(coder: *mut Opaque, length: *mut usize) -> c_int;
}

/// A compressor, and the buffer that it writes into.
#[derive(Debug)]
pub(super) struct Coder {
    raw: NonNull<Opaque>,
    out: Vec<u8>,
}

// SAFETY: the compressor has no ties to a thread and is only used through `&mut`.
unsafe impl Send for Coder {}

impl Coder {
    pub fn new() -> Result<Coder> {
        // SAFETY: it takes nothing, and gives null or a compressor that is ours.
        let raw = NonNull::new(unsafe { framecache_coder_new() });
        let raw = raw.ok_or_else(|| Error::internal("could not start a JPEG encoder"))?;
        let out = Vec::new();
        Ok(Coder { raw, out })
    }

    /// Begins a picture, gray or 4:2:0, whose file has at most `most` bytes.
    pub fn begin(
        &mut self,
        (width, height): (usize, usize),
        gray: bool,
        quality: u8,
        most: usize,
    ) -> Result<Work<'_>> {
        let sides = |side: usize| c_uint::try_from(side).unwrap_or(c_uint::MAX);
        // Grows only: pages behind it stay mapped, and only those written are ever touched.
        if self.out.len() < most {
            self.out = vec![0; most];
        }
        // SAFETY: the compressor is alive, and `out` neither moves nor is touched until the picture
        // ends: `Work` borrows it. libjpeg refuses sides that it does not take.
        let code = unsafe {
            framecache_coder_begin(
                self.raw.as_ptr(),
                sides(width),
                sides(height),
                c_int::from(gray),
                c_int::from(quality),
                self.out.as_mut_ptr(),
                self.out.len(),
            )
        };
        self.check(code)?;
        Ok(Work { coder: self })
    }

    fn check(&self, code: c_int) -> Result<()> {
        if code >= 0 {
            return Ok(());
        }
        // SAFETY: the compressor is alive, and its message ends with a zero.
        let message = unsafe { CStr::from_ptr(framecache_coder_message(self.raw.as_ptr())) };
        let message = message.to_string_lossy();
        Err(Error::internal(format!("encode JPEG: {message}")))
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing uses it after.
        unsafe { framecache_coder_free(self.raw.as_ptr()) };
    }
}

/// A JPEG in the making. One that is dropped before its end leaves nothing behind.
#[derive(Debug)]
pub(super) struct Work<'c> {
    coder: &'c mut Coder,
}

impl Work<'_> {
    /// The next rows; planes are as long as they must be.
    ///
    /// # Errors
    /// INTERNAL where libjpeg refuses.
    pub fn rows(&mut self, strip: JfifView) -> Result<()> {
        let planes = [strip.y.as_ptr(), strip.cb.as_ptr(), strip.cr.as_ptr()];
        let raw = self.coder.raw.as_ptr();
        // SAFETY: a picture was begun, its planes hold that many rows of its width, as `Coding` has
        // checked, and of gray pictures only the first is read.
        let code = unsafe { framecache_coder_rows(raw, &planes, strip.height as c_uint) };
        self.coder.check(code)
    }

    /// The file, once all rows have come.
    ///
    /// # Errors
    /// INTERNAL where rows are missing.
    pub fn end(self) -> Result<Vec<u8>> {
        let mut length = 0;
        // SAFETY: a picture was begun; `length` is ours.
        let code = unsafe { framecache_coder_end(self.coder.raw.as_ptr(), &mut length) };
        self.coder.check(code)?;
        let file = self.coder.out.get(..length);
        let file = file.ok_or_else(|| Error::internal("encode JPEG: longer than its buffer"))?;
        Ok(file.to_vec())
    }
}
