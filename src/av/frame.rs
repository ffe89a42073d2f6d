//! A decoded frame: its planes as a borrowed picture, and what it says of itself.

use std::ffi::c_int;
use std::ptr::addr_of;

use ffmpeg_next::ffi;
use ffmpeg_next::frame::Video;

use super::raw;
use crate::error::{Error, Reason, Result};
use crate::media::colour::{self, Colour, ColourRule, Matrix, Range};
use crate::media::picture::{Layout, Picture, Plane};

/// A decoded frame, or an empty one waiting to be filled.
pub struct Frame(Video);

/// How libavutil lays a pixel format out, as far as it concerns us.
struct Samples {
    layout: Layout,
    depth: u8,
    planes: usize,
    /// log2 of chroma subsampling.
    chroma_shift: (u32, u32),
    full_range_by_name: bool,
}

// SAFETY: frame data is reference counted by libavutil and never written after
// the decoder delivered it; a Frame owns its reference.
unsafe impl Sync for Frame {}

impl Frame {
    pub fn empty() -> Self {
        Frame(Video::empty())
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut ffi::AVFrame {
        // SAFETY: only hands the pointer out within the fence.
        unsafe { self.0.as_mut_ptr() }
    }

    fn raw(&self) -> *const ffi::AVFrame {
        // SAFETY: as above; the frame lives as long as self.
        unsafe { self.0.as_ptr() }
    }

    /// The packet's timestamp that the decoder carried to this frame: the unit's ordinal.
    pub fn tag(&self) -> Option<i64> {
        self.0.pts()
    }

    /// Shown size in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    pub fn interlaced(&self) -> bool {
        self.0.is_interlaced()
    }

    /// Sample aspect ratio, where the stream states one.
    pub fn sample_aspect_ratio(&self) -> Option<(i32, i32)> {
        // SAFETY: a plain field read.
        let ratio = unsafe { (*self.raw()).sample_aspect_ratio };
        (ratio.num > 0 && ratio.den > 0).then_some((ratio.num, ratio.den))
    }

    /// Damage that libavcodec reported for this frame.
    pub fn damaged(&self) -> bool {
        self.0.is_corrupt() || self.0.has_decode_errors()
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

    /// Colour as the stream tags it, gaps filled by `rule`.
    ///
    /// # Errors
    /// MEDIA_UNSUPPORTED for a matrix no formula exists for (YCgCo, ICtCp, …).
    pub fn colour(&self, rule: ColourRule) -> Result<Colour> {
        let samples = self.samples()?;
        let frame = self.raw();
        // SAFETY: these are C enums whose values the file decides: read as integers,
        // since an unknown value in a Rust enum would be undefined behaviour.
        let (space, range, primaries, transfer) = unsafe {
            (
                addr_of!((*frame).colorspace).cast::<c_int>().read(),
                addr_of!((*frame).color_range).cast::<c_int>().read(),
                addr_of!((*frame).color_primaries).cast::<c_int>().read(),
                addr_of!((*frame).color_trc).cast::<c_int>().read(),
            )
        };
        let mut assumed = Vec::new();
        let rgb = matches!(samples.layout, Layout::Gbr | Layout::Packed { .. });
        let matrix = if rgb {
            Matrix::Rgb
        } else {
            match space {
                1 => Matrix::Bt709,
                5 | 6 => Matrix::Bt601,
                9 => Matrix::Bt2020,
                other => {
                    assumed.push("matrix".to_owned());
                    nearest_matrix(other, rule, self.0.height())?
                }
            }
        };
        let range = match range {
            1 => Range::Limited,
            2 => Range::Full,
            _ if samples.full_range_by_name || rgb => Range::Full,
            _ => {
                assumed.push("range".to_owned());
                Range::Limited
            }
        };
        Ok(Colour {
            matrix,
            range,
            primaries: colour::primaries_name(primaries).map(str::to_owned),
            transfer: colour::transfer_name(transfer).map(str::to_owned),
            assumed,
        })
    }

    /// The planes, cropped to the shown size.
    pub fn picture(&self, matrix: Matrix, range: Range) -> Result<Picture<'_>> {
        let samples = self.samples()?;
        let (width, height) = (self.0.width() as usize, self.0.height() as usize);
        let mut planes = [Plane {
            data: &[],
            stride: 0,
        }; 3];
        for (index, plane) in planes.iter_mut().enumerate().take(samples.planes) {
            *plane = self.plane(index, samples.rows(index, height))?;
        }
        Ok(Picture {
            layout: samples.layout,
            depth: samples.depth,
            width,
            height,
            planes,
            matrix,
            range,
        })
    }

    fn plane(&self, index: usize, rows: usize) -> Result<Plane<'_>> {
        let frame = self.raw();
        // SAFETY: index < 3 <= AV_NUM_DATA_POINTERS.
        let (data, stride) = unsafe { ((*frame).data[index], (*frame).linesize[index]) };
        let Ok(stride) = usize::try_from(stride) else {
            return Err(Error::new(
                Reason::MediaUnsupported,
                "the decoder delivers pictures upside down",
            ));
        };
        // SAFETY: the frame is valid; a plane's buffer reference is null or as long as it says, and
        // `data` lies in it. It is held as long as self.
        let data = unsafe {
            let plane = c_int::try_from(index).unwrap_or(c_int::MAX);
            let buffer = ffi::av_frame_get_plane_buffer(frame.cast_mut(), plane);
            let Some(buffer) = buffer.as_ref() else {
                return Err(Error::internal("a decoded plane has no buffer"));
            };
            // Cropped at the left, the last row's padding can end beyond the buffer.
            let end = buffer.data as usize + buffer.size;
            let length = end.saturating_sub(data as usize);
            std::slice::from_raw_parts(data, length.min(stride * rows))
        };
        Ok(Plane { data, stride })
    }

    fn samples(&self) -> Result<Samples> {
        // SAFETY: a plain field read.
        Samples::of(unsafe { (*self.raw()).format })
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

impl Samples {
    fn of(format: c_int) -> Result<Self> {
        // SAFETY: returns null or static data, for any number.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() };
        descriptor
            .and_then(Self::from_descriptor)
            .ok_or_else(|| unsupported(descriptor))
    }

    fn from_descriptor(d: &ffi::AVPixFmtDescriptor) -> Option<Self> {
        let flag = |f: u32| d.flags & u64::from(f) != 0;
        let forbidden = [
            ffi::AV_PIX_FMT_FLAG_PAL,
            ffi::AV_PIX_FMT_FLAG_BITSTREAM,
            ffi::AV_PIX_FMT_FLAG_HWACCEL,
            ffi::AV_PIX_FMT_FLAG_BAYER,
            ffi::AV_PIX_FMT_FLAG_FLOAT,
        ];
        let depth = u8::try_from(d.comp[0].depth).ok()?;
        let big_endian = flag(ffi::AV_PIX_FMT_FLAG_BE as u32) && depth > 8;
        if big_endian || forbidden.iter().any(|f| flag(*f as u32)) || !(8..=16).contains(&depth) {
            return None;
        }
        let colours = d.nb_components - u8::from(flag(ffi::AV_PIX_FMT_FLAG_ALPHA as u32));
        let planar = flag(ffi::AV_PIX_FMT_FLAG_PLANAR as u32);
        let shift = (u32::from(d.log2_chroma_w), u32::from(d.log2_chroma_h));
        let layout = match (colours, flag(ffi::AV_PIX_FMT_FLAG_RGB as u32), planar) {
            (1, false, _) if d.nb_components == 1 => Layout::Gray,
            (3, true, true) => Layout::Gbr,
            (3, true, false) if depth == 8 => packed(d)?,
            (3, false, true) => planar_yuv(d, shift)?,
            _ => return None,
        };
        let word = depth > 8;
        let tight = layout == Layout::Nv12
            || matches!(layout, Layout::Packed { .. })
            || d.comp[0].step == 1 + i32::from(word);
        if !tight || d.comp[0].shift != 0 {
            return None;
        }
        // SAFETY: descriptor names are static C strings.
        let name = unsafe { std::ffi::CStr::from_ptr(d.name) };
        Some(Samples {
            planes: match layout {
                Layout::Gray | Layout::Packed { .. } => 1,
                Layout::Nv12 => 2,
                _ => 3,
            },
            layout,
            depth,
            chroma_shift: shift,
            full_range_by_name: name.to_bytes().starts_with(b"yuvj"),
        })
    }

    fn rows(&self, plane: usize, height: usize) -> usize {
        match self.layout {
            Layout::Gbr => height,
            _ if plane == 0 => height,
            _ => height.div_ceil(1 << self.chroma_shift.1),
        }
    }
}

fn packed(d: &ffi::AVPixFmtDescriptor) -> Option<Layout> {
    let offset = |c: usize| u8::try_from(d.comp[c].offset).ok();
    Some(Layout::Packed {
        r: offset(0)?,
        g: offset(1)?,
        b: offset(2)?,
        step: u8::try_from(d.comp[0].step).ok()?,
    })
}

fn planar_yuv(d: &ffi::AVPixFmtDescriptor, shift: (u32, u32)) -> Option<Layout> {
    if d.comp[1].plane == d.comp[2].plane {
        let nv12 = shift == (1, 1) && d.comp[0].depth == 8 && d.comp[1].offset == 0;
        return nv12.then_some(Layout::Nv12);
    }
    Some(match shift {
        (0, 0) => Layout::Yuv444,
        (1, 0) => Layout::Yuv422,
        (1, 1) => Layout::Yuv420,
        (0, 1) => Layout::Yuv440,
        (2, 0) => Layout::Yuv411,
        (2, 2) => Layout::Yuv410,
        _ => return None,
    })
}

fn unsupported(descriptor: Option<&ffi::AVPixFmtDescriptor>) -> Error {
    // SAFETY: descriptor names are static C strings.
    let name = descriptor.map_or("unknown".into(), |d| unsafe {
        std::ffi::CStr::from_ptr(d.name).to_string_lossy()
    });
    Error::new(
        Reason::MediaUnsupported,
        format!("no conversion for this video's pixel format, pix_fmt={name}"),
    )
    .hint("convert it to a planar YUV, gray or RGB format of 8 to 16 bit first")
}

/// Bits a sample and chroma sampling of a pixel format.
pub(super) fn format_samples(format: c_int) -> Option<(u8, &'static str)> {
    // SAFETY: returns null or static data, for any number.
    let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() }?;
    let depth = u8::try_from(descriptor.comp[0].depth).ok()?;
    let rgb = descriptor.flags & u64::from(ffi::AV_PIX_FMT_FLAG_RGB as u32) != 0;
    let chroma = match (descriptor.log2_chroma_w, descriptor.log2_chroma_h) {
        _ if rgb => "rgb",
        _ if descriptor.nb_components < 3 => "gray",
        (0, 0) => "4:4:4",
        (1, 0) => "4:2:2",
        (1, 1) => "4:2:0",
        (0, 1) => "4:4:0",
        (2, 0) => "4:1:1",
        (2, 2) => "4:1:0",
        _ => return None,
    };
    Some((depth, chroma))
}

/// FFmpeg's name of a pixel format.
pub(super) fn format_name(format: c_int) -> Option<String> {
    // SAFETY: returns null or a static name, for any number.
    unsafe {
        let name = raw::av_get_pix_fmt_name(format);
        (!name.is_null()).then(|| {
            std::ffi::CStr::from_ptr(name)
                .to_string_lossy()
                .into_owned()
        })
    }
}
