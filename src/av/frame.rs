//! A decoded frame: its planes as a borrowed picture, and what it says of itself.

#[cfg(test)]
mod tests;

use std::ffi::c_int;
use std::ptr::addr_of;
use std::sync::OnceLock;

use ffmpeg_next::ffi;
use ffmpeg_next::frame::Video;

use super::format::{Direct, Format};
use super::{blank, raw};
use crate::error::{Error, Reason, Result};
use crate::media::colour::{
    self, CodePoints, Colour, ColourRule, HeaderColour, Matrix, Range, Signal,
};
use crate::media::picture::{Picture, Plane};
use crate::pixel::unpack::{Packed, Rows, Unpacked};

/// A decoded frame, or an empty one waiting to be filled.
pub struct Frame {
    video: Video,
    /// What the stream's header says of its colour.
    header: HeaderColour,
    /// Its planes in a layout of ours, once asked for, where they are not read as they lie.
    unpacked: OnceLock<Unpacked>,
    /// The decoder left parts of it out, and did not say so.
    has_blanks: bool,
}

// SAFETY: frame data is reference counted by libavutil and never written after
// the decoder delivered it; a Frame owns its reference.
unsafe impl Sync for Frame {}

impl Frame {
    pub fn empty() -> Self {
        Frame {
            video: Video::empty(),
            header: HeaderColour::UNKNOWN,
            unpacked: OnceLock::new(),
            has_blanks: false,
        }
    }

    /// To be filled by a decoder of the stream that this is the header of.
    pub(super) fn as_mut_ptr(&mut self, header: HeaderColour) -> *mut ffi::AVFrame {
        self.header = header;
        self.unpacked.take();
        self.has_blanks = false;
        // SAFETY: only hands the pointer out within the fence.
        unsafe { self.video.as_mut_ptr() }
    }

    fn raw(&self) -> *const ffi::AVFrame {
        // SAFETY: as above; the frame lives as long as self.
        unsafe { self.video.as_ptr() }
    }

    /// The packet's timestamp that the decoder carried to this frame: the unit's ordinal.
    pub fn tag(&self) -> Option<i64> {
        self.video.pts()
    }

    /// Shown size in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.video.width(), self.video.height())
    }

    pub fn interlaced(&self) -> bool {
        self.video.is_interlaced()
    }

    /// Sample aspect ratio, where the stream states one.
    pub fn sample_aspect_ratio(&self) -> Option<(i32, i32)> {
        // SAFETY: a plain field read.
        let ratio = unsafe { (*self.raw()).sample_aspect_ratio };
        (ratio.num > 0 && ratio.den > 0).then_some((ratio.num, ratio.den))
    }

    /// Damage that libavcodec reported for this frame, or that is seen in it.
    pub fn damaged(&self) -> bool {
        self.has_blanks || self.video.is_corrupt() || self.video.has_decode_errors()
    }

    /// Sees what the decoder never wrote; its buffers must be marked.
    pub(super) fn look_for_blanks(&mut self) {
        // SAFETY: the frame was delivered just now.
        self.has_blanks = unsafe { blank::has_blanks(self.raw()) };
    }

    /// The frame's bytes as the rawvideo encoder writes them: every plane,
    /// native pixel format, rows without padding.
    pub fn native_bytes(&self, out: &mut Vec<u8>) -> Result<()> {
        let frame = self.raw();
        // SAFETY: the frame is valid; the buffer has the size that libavutil asked for.
        let written = unsafe {
            let format = (*frame).format;
            let (width, height) = ((*frame).width, (*frame).height);
            let needed = raw::av_image_get_buffer_size(format, width, height, 1);
            out.resize(usize::try_from(needed).unwrap_or(0), 0);
            raw::av_image_copy_to_buffer(
                out.as_mut_ptr(),
                needed,
                addr_of!((*frame).data).cast(),
                addr_of!((*frame).linesize).cast(),
                format,
                width,
                height,
                1,
            )
        };
        if written < 0 {
            return Err(super::failure(
                Reason::MediaUnsupported,
                "could not lay out the decoded picture",
                written,
            ));
        }
        Ok(())
    }

    /// Colour as the bitstream tags it, or else the container, gaps filled by `rule`.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED for a matrix no formula exists for (YCgCo, ICtCp, …).
    pub fn colour(&self, rule: ColourRule) -> Result<Colour> {
        let format = self.format()?;
        let tagged = self.header.complete(self.code_points());
        let mut assumed = Vec::new();
        let matrix = match tagged.matrix {
            _ if format.is_rgb() => Matrix::Rgb,
            1 => Matrix::Bt709,
            5 | 6 => Matrix::Bt601,
            9 => Matrix::Bt2020,
            other => {
                assumed.push("matrix".to_owned());
                nearest_matrix(other, rule, self.video.height())?
            }
        };
        let range = match tagged.range {
            1 => Range::Limited,
            2 => Range::Full,
            _ if format.full_range_by_name || format.is_rgb() => Range::Full,
            _ => {
                assumed.push("range".to_owned());
                // Cameras and laboratories count gray from 0; a codec that could say so would have.
                match self.header.signal {
                    Signal::None if format.is_gray() => Range::Full,
                    _ => Range::Limited,
                }
            }
        };
        Ok(Colour {
            matrix,
            range,
            primaries: colour::primaries_name(tagged.primaries).map(str::to_owned),
            transfer: colour::transfer_name(tagged.transfer).map(str::to_owned),
            assumed,
        })
    }

    /// What the bitstream says of its colour.
    fn code_points(&self) -> CodePoints {
        let frame = self.raw();
        // SAFETY: these are C enums whose values the file decides: read as integers,
        // since an unknown value in a Rust enum would be undefined behaviour.
        unsafe {
            CodePoints {
                matrix: addr_of!((*frame).colorspace).cast::<c_int>().read(),
                range: addr_of!((*frame).color_range).cast::<c_int>().read(),
                primaries: addr_of!((*frame).color_primaries).cast::<c_int>().read(),
                transfer: addr_of!((*frame).color_trc).cast::<c_int>().read(),
            }
        }
    }

    /// The planes, cropped to the shown size.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED for pixel formats that are not read.
    pub fn picture(&self, matrix: Matrix, range: Range) -> Result<Picture<'_>> {
        let format = self.format()?;
        let (layout, depth, planes) = match &format.direct {
            Some(direct) if self.is_downwards(direct) => {
                (direct.layout, direct.depth, self.planes(&format, direct)?)
            }
            _ => {
                let unpacked = self.unpacked(&format)?;
                (unpacked.layout, unpacked.depth, unpacked.planes())
            }
        };
        Ok(Picture {
            layout,
            depth,
            width: self.video.width() as usize,
            height: self.video.height() as usize,
            planes,
            matrix,
            range,
        })
    }

    fn planes(&self, format: &Format, direct: &Direct) -> Result<[Plane<'_>; 3]> {
        let mut planes = [Plane {
            data: &[],
            stride: 0,
        }; 3];
        let height = self.video.height() as usize;
        for (index, plane) in planes.iter_mut().enumerate().take(direct.planes) {
            let rows = self.rows(index, format.rows(index, height))?;
            *plane = Plane {
                data: rows.data,
                stride: rows.stride.unsigned_abs(),
            };
        }
        Ok(planes)
    }

    /// Rows lie from the top down, as nearly always.
    fn is_downwards(&self, direct: &Direct) -> bool {
        // SAFETY: a plain field read.
        let strides = unsafe { (*self.raw()).linesize };
        strides.iter().take(direct.planes).all(|s| *s >= 0)
    }

    fn unpacked(&self, format: &Format) -> Result<&Unpacked> {
        if let Some(unpacked) = self.unpacked.get() {
            return Ok(unpacked);
        }
        let height = self.video.height() as usize;
        let nothing = Rows {
            data: &[],
            first: 0,
            stride: 0,
        };
        let mut planes = [nothing; 4];
        for index in format.packing.components.map(|component| component.plane) {
            if let Some(plane) = planes.get_mut(index) {
                *plane = self.rows(index, format.rows(index, height))?;
            }
        }
        let palette = format.has_palette().then(|| self.palette()).transpose()?;
        let unpacked = format.packing.unpack(&Packed {
            width: self.video.width() as usize,
            height,
            planes,
            palette: palette.as_ref(),
        })?;
        Ok(self.unpacked.get_or_init(|| unpacked))
    }

    /// R, G, B of each place; the plane behind the pixels holds ARGB in native 32-bit words.
    fn palette(&self) -> Result<[[u8; 3]; 256]> {
        let words = self.rows(1, 256)?.data;
        let mut palette = [[0; 3]; 256];
        for (colour, word) in palette.iter_mut().zip(words.as_chunks::<4>().0) {
            let [_, rgb @ ..] = u32::from_ne_bytes(*word).to_be_bytes();
            *colour = rgb;
        }
        Ok(palette)
    }

    /// A plane, as far as its buffer goes.
    fn rows(&self, index: usize, rows: usize) -> Result<Rows<'_>> {
        let frame = self.raw();
        // SAFETY: index < 4 <= AV_NUM_DATA_POINTERS.
        let (top, stride) = unsafe { ((*frame).data[index], (*frame).linesize[index] as isize) };
        // SAFETY: the frame is valid; a plane's buffer reference is null or as long as it says.
        let buffer = unsafe {
            let plane = c_int::try_from(index).unwrap_or(c_int::MAX);
            ffi::av_frame_get_plane_buffer(frame.cast_mut(), plane).as_ref()
        };
        let Some(buffer) = buffer else {
            return Err(Error::internal("a decoded plane has no buffer"));
        };
        // From the bottom up, the plane begins with its last row.
        let above = rows.saturating_sub(1).saturating_mul(stride.unsigned_abs());
        let first = if stride < 0 { above } else { 0 };
        let start = (top as usize).checked_sub(first);
        let Some(start) = start.filter(|start| *start >= buffer.data as usize) else {
            return Err(Error::internal("a decoded plane begins before its buffer"));
        };
        // Cropped at the left, the last row's padding can end beyond the buffer.
        let end = buffer.data as usize + buffer.size;
        let length = end.saturating_sub(start);
        let length = match stride {
            0 => length,
            stride => length.min(stride.unsigned_abs().saturating_mul(rows)),
        };
        // SAFETY: `start` and the bytes from there on lie in the buffer, as was just seen; it is held
        // as long as self.
        let data = unsafe { std::slice::from_raw_parts(top.sub(first), length) };
        Ok(Rows {
            data,
            first,
            stride,
        })
    }

    fn format(&self) -> Result<Format> {
        // SAFETY: a plain field read.
        Format::of(unsafe { (*self.raw()).format })
    }
}

/// What stands in for a matrix that is untagged (by `rule`) or has no formula of
/// its own (by its closest relative).
fn nearest_matrix(code_point: c_int, rule: ColourRule, height: u32) -> Result<Matrix> {
    match code_point {
        0 | 2 | 3 => Ok(assumed_matrix(rule, height)),
        4 => Ok(Matrix::Bt601),
        7 => Ok(Matrix::Bt709),
        10 => Ok(Matrix::Bt2020),
        other => Err(unknown_matrix(other)),
    }
}

fn assumed_matrix(rule: ColourRule, height: u32) -> Matrix {
    match rule {
        ColourRule::Bt601 => Matrix::Bt601,
        ColourRule::Bt709 => Matrix::Bt709,
        ColourRule::Bt2020 => Matrix::Bt2020,
        ColourRule::ByHeight if height >= 720 => Matrix::Bt709,
        ColourRule::ByHeight => Matrix::Bt601,
    }
}

fn unknown_matrix(code_point: c_int) -> Error {
    Error::new(
        Reason::MediaUnsupported,
        format!("no formula for the colour matrix of this video, matrix_coefficients={code_point} (H.273)"),
    )
    .hint("convert it to BT.601, BT.709 or BT.2020 first")
}
