//! A file in the making, whoever makes it: what it is given is checked here.

use crate::error::{Error, Result};
use crate::jpeg::coder;
#[cfg(target_arch = "x86_64")]
use crate::jpeg::own;
use crate::media::picture::JfifView;

/// A JPEG in the making. One that is dropped before its end leaves nothing behind.
#[derive(Debug)]
pub struct Coding<'c> {
    pub(super) work: Work<'c>,
    pub(super) size: (usize, usize),
    pub(super) gray: bool,
    /// That have come.
    pub(super) rows: usize,
}

#[derive(Debug)]
pub(super) enum Work<'c> {
    Library(coder::Work<'c>),
    #[cfg(target_arch = "x86_64")]
    Own(own::Work<'c>),
}

impl Coding<'_> {
    /// The next rows, as planes that are so high: a multiple of 16, but at the picture's end.
    ///
    /// # Errors
    /// INTERNAL where they are not the picture's.
    pub fn rows<'p>(&mut self, strip: impl Into<JfifView<'p>>) -> Result<()> {
        let strip = strip.into();
        self.check(&strip)?;
        self.rows += strip.height;
        match &mut self.work {
            Work::Library(work) => work.rows(strip),
            #[cfg(target_arch = "x86_64")]
            Work::Own(work) => {
                work.rows(strip);
                Ok(())
            }
        }
    }

    fn check(&self, strip: &JfifView) -> Result<()> {
        let (width, height) = self.size;
        let after = self.rows + strip.height;
        let is_step = strip.height > 0 && (after == height || strip.height.is_multiple_of(16));
        let half = width.div_ceil(2) * strip.height.div_ceil(2);
        let chroma = if self.gray { 0 } else { half };
        let fits = strip.width == width
            && strip.y.len() == width * strip.height
            && [strip.cb, strip.cr].map(<[u8]>::len) == [chroma; 2];
        if is_step && fits && after <= height {
            return Ok(());
        }
        Err(Error::internal(format!(
            "encode JPEG: planes do not fit their size width={width} height={height} \
             strip={}x{} at={} y={} cb={} cr={}",
            strip.width,
            strip.height,
            self.rows,
            strip.y.len(),
            strip.cb.len(),
            strip.cr.len()
        )))
    }

    /// The file, once all rows have come.
    ///
    /// # Errors
    /// INTERNAL where rows are missing.
    pub fn end(self) -> Result<Vec<u8>> {
        if self.rows != self.size.1 {
            let (rows, height) = (self.rows, self.size.1);
            let message = format!("encode JPEG: rows are missing rows={rows} height={height}");
            return Err(Error::internal(message));
        }
        match self.work {
            Work::Library(work) => work.end(),
            #[cfg(target_arch = "x86_64")]
            Work::Own(work) => work.end(),
        }
    }
}
