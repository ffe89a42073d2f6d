//! A coder of our own for what is coded most: 4:2:0 and gray, libjpeg's standard tables, no
//! restarts, on x86-64 with AVX2. Its files are libjpeg-turbo's, byte for byte; on other machines
//! libjpeg-turbo makes them. What stands before the coded data, and with it all tables, is taken from
//! a file of one sample that libjpeg-turbo makes.
//!
//! Blocks are transformed two at a time, where libjpeg takes one; symbols of sixteen columns are found
//! before the first of them is put; zeros behind each 0xff come last. That takes 0.6 to 0.75 of the
//! library's time on pictures, and nearly all of it on noise, where most of it is symbols.

mod bits;
mod blocks;
#[cfg(test)]
mod equality;
mod head;
mod walk;

use crate::error::{Error, Result};
use crate::jpeg::coder::Coder;
use crate::media::picture::{JfifPlanes, JfifView};

use self::bits::{Rest, stuff};
use self::blocks::Quantiser;
use self::head::Head;
use self::walk::Walk;

/// Bytes that sixteen rows need at most for each sixteen columns, without zeros behind each 0xff: six
/// blocks of 64 coefficients, 26 bits each.
const MOST_OF_SIXTEEN: usize = 6 * 64 * 26 / 8;

/// The marker that ends a file.
const END: [u8; 2] = [0xff, 0xd9];

/// How files of one quality are made, gray ones or 4:2:0.
#[derive(Debug, Clone)]
struct Kind {
    head: Head,
    quantisers: [Quantiser; 3],
}

/// Codes pictures at one quality.
#[derive(Debug)]
pub(super) struct Own {
    kinds: [Kind; 2],
    /// Coded data of sixteen rows, and the file.
    coded: Vec<u8>,
    out: Vec<u8>,
}

impl Own {
    /// None where this machine lacks the instructions, or the library's files are of another kind than
    /// is coded here.
    ///
    /// # Errors
    /// INTERNAL where the library fails.
    pub fn new(library: &mut Coder, quality: u8) -> Result<Option<Own>> {
        if !walk::is_able() {
            return Ok(None);
        }
        let colour = Kind::new(library, quality, false)?;
        let gray = Kind::new(library, quality, true)?;
        let (Some(colour), Some(gray)) = (colour, gray) else {
            return Ok(None);
        };
        Ok(Some(Own {
            kinds: [colour, gray],
            coded: Vec::new(),
            out: Vec::new(),
        }))
    }

    /// Begins a picture of sides under 65,536 whose file has at most `most` bytes.
    pub fn begin(&mut self, size: (usize, usize), gray: bool, most: usize) -> Work<'_> {
        let kind = &self.kinds[usize::from(gray)];
        let head = kind.head.of_size(size);
        // Both only grow, and what is not written is never touched.
        for (buffer, room) in [
            (&mut self.coded, 8 + size.0.div_ceil(16) * MOST_OF_SIXTEEN),
            (&mut self.out, head.len() + most),
        ] {
            if buffer.len() < room {
                *buffer = vec![0; room];
            }
        }
        self.out[..head.len()].copy_from_slice(&head);
        Work {
            kind,
            gray,
            at: head.len(),
            coded: &mut self.coded,
            out: &mut self.out,
            state: State {
                rest: Rest::NONE,
                direct: [0; 3],
            },
        }
    }
}

impl Kind {
    fn new(library: &mut Coder, quality: u8, gray: bool) -> Result<Option<Kind>> {
        let chroma = if gray { Vec::new() } else { vec![128] };
        let dot = JfifPlanes {
            width: 1,
            height: 1,
            y: vec![128],
            cb: chroma.clone(),
            cr: chroma,
        };
        let mut coding = library.begin((1, 1), gray, quality, 4096)?;
        coding.rows((&dot).into())?;
        let file = coding.end()?;
        let Some(head) = Head::of(&file) else {
            return Ok(None);
        };
        let [luma, chroma] = [0, 1].map(|of: usize| Quantiser::new(&head.steps[of]));
        let quantisers = [luma, chroma.clone(), chroma];
        Ok(Some(Kind { head, quantisers }))
    }
}

/// What coding goes on with in the next strip.
#[derive(Debug)]
struct State {
    rest: Rest,
    /// The last direct coefficient of each component.
    direct: [i32; 3],
}

/// A file in the making.
#[derive(Debug)]
pub(super) struct Work<'o> {
    kind: &'o Kind,
    gray: bool,
    /// Where `out` is free; behind its end once it was too short.
    at: usize,
    coded: &'o mut [u8],
    out: &'o mut [u8],
    state: State,
}

impl Work<'_> {
    /// The next rows; planes are as long as they must be.
    pub fn rows(&mut self, strip: JfifView) {
        let walk = Walk {
            kind: self.kind,
            strip,
            gray: self.gray,
        };
        let step = if self.gray { 8 } else { 16 };
        for first in (0..strip.height).step_by(step) {
            let count = walk.run(first, &mut self.state, self.coded);
            self.put(count);
        }
    }

    /// So many bytes of what was coded.
    fn put(&mut self, count: usize) {
        // It never is longer than its buffer: see MOST_OF_SIXTEEN.
        let coded = &self.coded[..count.min(self.coded.len())];
        self.at = stuff(coded, (self.out, self.at));
    }

    /// # Errors
    /// INTERNAL where the file is longer than was said.
    pub fn end(mut self) -> Result<Vec<u8>> {
        let (bytes, count) = self.state.rest.last();
        self.at = stuff(&bytes[..count], (self.out, self.at));
        let end = self.at + END.len();
        if let Some(to) = self.out.get_mut(self.at..end) {
            to.copy_from_slice(&END);
        }
        let file = self.out.get(..end);
        let file = file.ok_or_else(|| Error::internal("encode JPEG: longer than its buffer"))?;
        Ok(file.to_vec())
    }
}
