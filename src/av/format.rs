//! Pixel formats: how libavutil says that their samples lie, as far as it concerns us.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};

use ffmpeg_next::ffi;

use super::raw;
use crate::error::{Error, Reason, Result};
use crate::media::picture::Layout;
use crate::pixel::unpack::{Colours, Component, Packing, Word};

type Descriptor = ffi::AVPixFmtDescriptor;

/// A pixel format whose pictures can be read.
pub(super) struct Format {
    /// Where pictures are read as they lie.
    pub direct: Option<Direct>,
    /// How they are brought to a layout of ours where they are not, or lie from the bottom up.
    pub packing: Packing,
    pub full_range_by_name: bool,
}

pub(super) struct Direct {
    pub layout: Layout,
    pub depth: u8,
    pub planes: usize,
}

impl Format {
    /// # Errors
    /// MEDIA_UNSUPPORTED for what is not of 1 to 16 bits, is float or Bayer, or lies on a device.
    pub fn of(format: c_int) -> Result<Self> {
        // SAFETY: returns null or static data, for any number.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() };
        descriptor
            .and_then(Self::from_descriptor)
            .ok_or_else(|| unsupported(descriptor))
    }

    fn from_descriptor(d: &Descriptor) -> Option<Self> {
        let name = name_of(d);
        let forbidden = [
            ffi::AV_PIX_FMT_FLAG_HWACCEL,
            ffi::AV_PIX_FMT_FLAG_BAYER,
            ffi::AV_PIX_FMT_FLAG_FLOAT,
        ];
        if forbidden.iter().any(|flag| has(d, *flag)) {
            return None;
        }
        Some(Format {
            direct: direct(d),
            packing: packing(d)?,
            full_range_by_name: name.starts_with("yuvj"),
        })
    }

    pub fn is_rgb(&self) -> bool {
        matches!(
            self.packing.colours,
            Colours::Rgb | Colours::Xyz | Colours::Palette
        )
    }

    pub fn has_palette(&self) -> bool {
        self.packing.colours == Colours::Palette
    }

    /// Of a plane of a picture of so many.
    pub fn rows(&self, plane: usize, height: usize) -> usize {
        let shift = match self.packing.colours {
            Colours::Yuv { shift, .. } if plane > 0 => shift.1,
            _ => 0,
        };
        height.div_ceil(1 << shift)
    }

    pub fn is_gray(&self) -> bool {
        matches!(self.packing.colours, Colours::Gray { .. })
    }
}

fn has(d: &Descriptor, flag: c_int) -> bool {
    d.flags & u64::from(flag as u32) != 0
}

fn name_of(d: &Descriptor) -> Cow<'_, str> {
    // SAFETY: descriptor names are static C strings.
    unsafe { CStr::from_ptr(d.name) }.to_string_lossy()
}

/// Components without alpha; a palette has one.
fn colours(d: &Descriptor) -> u8 {
    let alpha = has(d, ffi::AV_PIX_FMT_FLAG_ALPHA) && d.nb_components > 1;
    d.nb_components - u8::from(alpha)
}

fn chroma_shift(d: &Descriptor) -> (u32, u32) {
    (u32::from(d.log2_chroma_w), u32::from(d.log2_chroma_h))
}

fn direct(d: &Descriptor) -> Option<Direct> {
    let depth = u8::try_from(d.comp[0].depth).ok()?;
    let big_endian = has(d, ffi::AV_PIX_FMT_FLAG_BE) && depth > 8;
    let indirect = has(d, ffi::AV_PIX_FMT_FLAG_PAL) || has(d, ffi::AV_PIX_FMT_FLAG_BITSTREAM);
    if big_endian || indirect || !(8..=16).contains(&depth) {
        return None;
    }
    let planar = has(d, ffi::AV_PIX_FMT_FLAG_PLANAR);
    let layout = match (colours(d), has(d, ffi::AV_PIX_FMT_FLAG_RGB), planar) {
        (1, false, _) if d.nb_components == 1 => Layout::Gray,
        (3, true, true) => Layout::Gbr,
        (3, true, false) if depth == 8 => packed(d)?,
        (3, false, true) => match d.comp[1].plane == d.comp[2].plane {
            true => nv12(d)?,
            false => planar_yuv(chroma_shift(d))?,
        },
        _ => return None,
    };
    let word = depth > 8;
    let tight = layout == Layout::Nv12
        || matches!(layout, Layout::Packed { .. })
        || d.comp[0].step == 1 + i32::from(word);
    (tight && d.comp[0].shift == 0).then_some(Direct {
        planes: match layout {
            Layout::Gray | Layout::Packed { .. } => 1,
            Layout::Nv12 => 2,
            _ => 3,
        },
        layout,
        depth,
    })
}

fn packed(d: &Descriptor) -> Option<Layout> {
    let offset = |c: usize| u8::try_from(d.comp[c].offset).ok();
    Some(Layout::Packed {
        r: offset(0)?,
        g: offset(1)?,
        b: offset(2)?,
        step: u8::try_from(d.comp[0].step).ok()?,
    })
}

fn nv12(d: &Descriptor) -> Option<Layout> {
    let nv12 = chroma_shift(d) == (1, 1) && d.comp[0].depth == 8 && d.comp[1].offset == 0;
    nv12.then_some(Layout::Nv12)
}

fn planar_yuv(shift: (u32, u32)) -> Option<Layout> {
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

fn packing(d: &Descriptor) -> Option<Packing> {
    let shift = chroma_shift(d);
    let rgb = has(d, ffi::AV_PIX_FMT_FLAG_RGB);
    let (colours, last) = match (colours(d), rgb) {
        (1, _) if has(d, ffi::AV_PIX_FMT_FLAG_PAL) => (Colours::Palette, 0),
        (1, false) => {
            let inverted = name_of(d) == "monow";
            (Colours::Gray { inverted }, 0)
        }
        (3, true) => (Colours::Rgb, 2),
        // No flag says so.
        (3, false) if name_of(d).starts_with("xyz") => (Colours::Xyz, 2),
        (3, false) => {
            let layout = planar_yuv(shift)?;
            (Colours::Yuv { layout, shift }, 2)
        }
        _ => return None,
    };
    let first = component(d, 0)?;
    let mut components = [first, component(d, last.min(1))?, component(d, last)?];
    if name_of(d) == "rgb8" {
        // FFmpeg 5.1 describes 2 bits of red and 3 of blue, and has always written it the other way.
        for (component, (shift, depth)) in components.iter_mut().zip([(5, 3), (2, 3), (0, 2)]) {
            (component.shift, component.depth) = (shift, depth);
        }
    }
    let even = components.iter().all(|c| c.depth == first.depth);
    let yuv = matches!(colours, Colours::Yuv { .. });
    (!yuv || (even && first.depth >= 8)).then_some(Packing {
        colours,
        components,
    })
}

/// As `av_read_image_line2` reads it: a value in one byte is read as a byte, which lies one further
/// on in a big-endian format; others as two bytes.
fn component(d: &Descriptor, index: usize) -> Option<Component> {
    let c = &d.comp[index];
    let (shift, depth) = (u32::try_from(c.shift).ok()?, u32::try_from(c.depth).ok()?);
    let big = has(d, ffi::AV_PIX_FMT_FLAG_BE);
    let word = match shift + depth {
        _ if has(d, ffi::AV_PIX_FMT_FLAG_BITSTREAM) => Word::Bits,
        1..=8 if index == 0 && name_of(d) == "uyyvyy411" => Word::Pairs,
        1..=8 => Word::Byte,
        9..=16 if big => Word::Big,
        9..=16 => Word::Little,
        _ => return None,
    };
    let further = i32::from(big && word == Word::Byte);
    Some(Component {
        plane: usize::try_from(c.plane).ok()?,
        word,
        step: usize::try_from(c.step).ok().filter(|step| *step > 0)?,
        offset: usize::try_from(c.offset + further).ok()?,
        shift,
        depth: Some(depth).filter(|depth| (1..=16).contains(depth))?,
    })
}

fn unsupported(descriptor: Option<&Descriptor>) -> Error {
    let name = descriptor.map_or("unknown".into(), name_of);
    Error::new(
        Reason::MediaUnsupported,
        format!("no conversion for this video's pixel format, pix_fmt={name}"),
    )
    .hint("convert it to a YUV, gray or RGB format of 8 to 16 bit first")
}

/// Whether pictures of this format are read, and are gray.
pub(super) fn is_gray(format: c_int) -> bool {
    Format::of(format).is_ok_and(|format| format.is_gray())
}

/// Bits a sample and chroma sampling of a pixel format.
pub(super) fn samples(format: c_int) -> Option<(u8, &'static str)> {
    // SAFETY: returns null or static data, for any number.
    let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() }?;
    let depth = u8::try_from(descriptor.comp[0].depth).ok()?;
    let rgb = has(descriptor, ffi::AV_PIX_FMT_FLAG_RGB);
    let palette = has(descriptor, ffi::AV_PIX_FMT_FLAG_PAL);
    let chroma = match (descriptor.log2_chroma_w, descriptor.log2_chroma_h) {
        _ if rgb || palette => "rgb",
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
pub(super) fn name(format: c_int) -> Option<String> {
    // SAFETY: returns null or a static name, for any number.
    unsafe {
        let name = raw::av_get_pix_fmt_name(format);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
