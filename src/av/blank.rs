//! What of a picture the decoder never wrote.
//!
//! A slice of HEVC says where it begins, and only its decoding where it ends. One that damage ends early leaves
//! blocks out up to the next, and libavcodec (`hls_slice_data`, FFmpeg 5.1 to 8) neither looks for them nor says
//! so; a JPEG's scan that breaks off is logged, and its picture flagged as little (`ff_mjpeg_decode_frame`). There
//! the buffer keeps what its last user left, another picture with every number of workers. So each block of a
//! new buffer gets a mark, which decoding overwrites. A picture that comes with one is damaged; where it counts,
//! and for VP8, whose later pictures are made of such parts, buffers are gray before.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::raw;

/// Luma samples a side: the least coding tree block (H.265 7.4.3.2.1, CtbLog2SizeY is 4 to 6), and a JPEG's
/// units of 4:2:0.
const BLOCK: usize = 16;
/// Where the mark lies in its block: within the 8 rows that any block has, and out of reach of the
/// filters of the blocks beside it (H.265 8.7: three samples of deblocking, one more of SAO).
const MARK_ROW: usize = 4;
const MARK_COLUMN: usize = 4;
/// The mark, around gray: no picture looks so after a transform, but one that means to.
const MARK: [i32; 8] = [41, -37, -41, 37, 29, 41, -29, -31];

/// A decoder's buffers, marked.
///
/// # Safety
/// As libavcodec calls `get_buffer2`: with an open context and a frame to be filled.
pub(super) unsafe extern "C" fn marked(
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    flags: c_int,
) -> c_int {
    // SAFETY: by the caller.
    unsafe { buffers(context, frame, flags, false) }
}

/// The same, gray where nothing is written.
///
/// # Safety
/// As [`marked`].
pub(super) unsafe extern "C" fn gray(
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    flags: c_int,
) -> c_int {
    // SAFETY: by the caller.
    unsafe { buffers(context, frame, flags, true) }
}

/// # Safety
/// As [`marked`].
unsafe fn buffers(
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    flags: c_int,
    gray: bool,
) -> c_int {
    // SAFETY: by the caller; nobody else has the new buffers yet, each as long as it says.
    unsafe {
        let code = ffi::avcodec_default_get_buffer2(context, frame, flags);
        let grid = if code >= 0 { Grid::of(frame) } else { None };
        let Some(grid) = grid else {
            return code;
        };
        for (place, buffer) in (*frame).buf.iter().enumerate() {
            let Some(buffer) = buffer.as_ref() else {
                continue;
            };
            let plane = std::slice::from_raw_parts_mut(buffer.data, buffer.size);
            if gray {
                grid.blank(plane);
            }
            if place == 0 {
                grid.mark(plane);
            }
        }
        code
    }
}

/// Whether a block of what is shown of the frame was never written.
///
/// # Safety
/// The frame must be one that a decoder with these buffers delivered.
pub(super) unsafe fn has_blanks(frame: *const ffi::AVFrame) -> bool {
    // SAFETY: by the caller; the frame holds its buffer, which is as long as it says.
    unsafe {
        let (Some(grid), Some(buffer)) = (Grid::of(frame), (*frame).buf[0].as_ref()) else {
            return false;
        };
        grid.has_marks(std::slice::from_raw_parts(buffer.data, buffer.size))
    }
}

/// Where the marks of a plane lie in its buffer.
struct Grid {
    /// Bytes from row to row.
    stride: usize,
    /// Bits of a sample; over 8 it has two bytes.
    depth: u32,
    /// Samples that are cropped off before the first one shown.
    left: usize,
    top: usize,
    /// Samples shown.
    width: usize,
    height: usize,
}

impl Grid {
    /// None for depths that no mark is made for, and rows that lie from the bottom up.
    ///
    /// # Safety
    /// The frame must be valid, its first plane in its first buffer.
    unsafe fn of(frame: *const ffi::AVFrame) -> Option<Grid> {
        // SAFETY: by the caller.
        unsafe {
            let format = raw::av_pix_fmt_desc_get((*frame).format).as_ref()?;
            let depth = u32::try_from(format.comp[0].depth).ok()?;
            let stride = usize::try_from((*frame).linesize[0]).ok()?;
            let base = (*frame).buf[0].as_ref()?.data as usize;
            let skipped = ((*frame).data[0] as usize).checked_sub(base)?;
            if !(8..=16).contains(&depth) || stride == 0 {
                return None;
            }
            Some(Grid {
                stride,
                depth,
                left: skipped % stride / bytes_of(depth),
                top: skipped / stride,
                width: usize::try_from((*frame).width).ok()?,
                height: usize::try_from((*frame).height).ok()?,
            })
        }
    }

    fn mark(&self, luma: &mut [u8]) {
        let (mark, bytes) = mark_of(self.depth);
        for place in self.places() {
            if let Some(target) = luma.get_mut(place..place + bytes) {
                target.copy_from_slice(&mark[..bytes]);
            }
        }
    }

    fn has_marks(&self, luma: &[u8]) -> bool {
        let (mark, bytes) = mark_of(self.depth);
        self.places()
            .any(|place| luma.get(place..place + bytes) == Some(&mark[..bytes]))
    }

    /// Mid gray, in every sample.
    fn blank(&self, plane: &mut [u8]) {
        match self.depth {
            8 => plane.fill(0x80),
            depth => {
                let gray = (1u16 << (depth - 1)).to_ne_bytes();
                plane.as_chunks_mut::<2>().0.fill(gray);
            }
        }
    }

    /// The first bytes of the marks that are shown whole. Blocks count from the coded picture's corner.
    fn places(&self) -> impl Iterator<Item = usize> {
        let rows = within(self.top, self.height, MARK_ROW, 1);
        let columns = within(self.left, self.width, MARK_COLUMN, MARK.len());
        let (stride, bytes) = (self.stride, bytes_of(self.depth));
        rows.flat_map(move |row| {
            columns
                .clone()
                .map(move |column| row * stride + column * bytes)
        })
    }
}

/// Where marks of that length begin that lie within `size` samples behind `from`.
fn within(
    from: usize,
    size: usize,
    mark: usize,
    length: usize,
) -> impl Iterator<Item = usize> + Clone {
    let first = from.saturating_sub(mark).div_ceil(BLOCK) * BLOCK + mark;
    (first..(from + size + 1).saturating_sub(length)).step_by(BLOCK)
}

fn bytes_of(depth: u32) -> usize {
    if depth > 8 { 2 } else { 1 }
}

/// The mark in native bytes, and how many they are.
fn mark_of(depth: u32) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    let size = bytes_of(depth);
    for (target, value) in bytes.chunks_exact_mut(size).zip(MARK) {
        let sample = (1 << (depth - 1)) + value;
        match size {
            1 => target[0] = sample as u8,
            _ => target.copy_from_slice(&(sample as u16).to_ne_bytes()),
        }
    }
    (bytes, MARK.len() * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(depth: u32, (left, top): (usize, usize), (width, height): (usize, usize)) -> Grid {
        Grid {
            stride: 128,
            depth,
            left,
            top,
            width,
            height,
        }
    }

    #[test]
    fn each_block_of_a_picture_is_marked_and_a_block_never_written_is_found() {
        for depth in [8, 10, 12] {
            let mut luma = vec![0; 128 * 64];
            let whole = grid(depth, (0, 0), (48, 40));
            whole.blank(&mut luma);
            assert!(!whole.has_marks(&luma));
            whole.mark(&mut luma);
            assert_eq!(whole.places().count(), 3 * 3);
            let places: Vec<usize> = whole.places().collect();
            for (written, place) in places.iter().enumerate() {
                assert!(whole.has_marks(&luma), "{written} of {}", places.len());
                luma[*place] ^= 1;
            }
            assert!(!whole.has_marks(&luma));
        }
    }

    #[test]
    fn what_is_cropped_off_need_not_be_written() {
        let mut luma = vec![0; 128 * 64];
        grid(8, (0, 0), (48, 40)).mark(&mut luma);
        let shown = grid(8, (6, 6), (26, 16));
        // Of the second column and row alone: the others are cut.
        assert_eq!(shown.places().collect::<Vec<_>>(), [20 * 128 + 20]);
        assert!(shown.has_marks(&luma));
        luma[20 * 128 + 20] = 0;
        assert!(!shown.has_marks(&luma));
    }
}
