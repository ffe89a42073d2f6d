//! Every pixel format that libavutil has, written by its own `av_write_image_line2` and read by ours.

use super::*;
use crate::media::picture::Layout;

unsafe extern "C" {
    fn av_write_image_line2(
        source: *const std::ffi::c_void,
        data: *mut *mut u8,
        strides: *const c_int,
        descriptor: *const ffi::AVPixFmtDescriptor,
        x: c_int,
        y: c_int,
        component: c_int,
        width: c_int,
        element_bytes: c_int,
    );
}

/// A generator of the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self, bits: c_int) -> u16 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 40) & ((1 << bits) - 1)) as u16
    }
}

/// How a frame is made: sizes in pixels, its rows' alignment in bytes, whether they lie from the bottom up.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: (usize, usize),
    align: c_int,
    upwards: bool,
}

/// A frame of known samples, and those: of each component, row by row.
struct Written {
    frame: Frame,
    descriptor: &'static ffi::AVPixFmtDescriptor,
    name: String,
    samples: Vec<Vec<Vec<u16>>>,
    palette: Vec<u32>,
}

fn descriptors() -> impl Iterator<Item = (c_int, &'static ffi::AVPixFmtDescriptor, String)> {
    (0..400).filter_map(|format| {
        // SAFETY: returns null or static data, for any number.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() }?;
        let name = crate::av::format::name(format)?;
        Some((format, descriptor, name))
    })
}

fn has(descriptor: &ffi::AVPixFmtDescriptor, flag: c_int) -> bool {
    descriptor.flags & u64::from(flag as u32) != 0
}

impl Written {
    fn new(format: c_int, shape: Shape, chance: &mut Chance) -> Written {
        // SAFETY: the format is one that libavutil described.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(format).as_ref() }.unwrap();
        let (width, height) = shape.size;
        let mut written = Written {
            frame: Frame::empty(),
            descriptor,
            name: crate::av::format::name(format).unwrap(),
            samples: Vec::new(),
            palette: (0..256)
                .map(|_| u32::from(chance.next(16)) << 16 | u32::from(chance.next(16)))
                .collect(),
        };
        let frame = written.frame.as_mut_ptr(HeaderColour::UNKNOWN);
        // SAFETY: the frame is empty and gets buffers of its format and size; all of them is zeroed, but
        // for a palette, which is 1024 bytes.
        unsafe {
            (*frame).format = format;
            ((*frame).width, (*frame).height) = (width as c_int, height as c_int);
            assert_eq!(ffi::av_frame_get_buffer(frame, shape.align), 0);
            for buffer in (*frame).buf.iter().filter(|buffer| !buffer.is_null()) {
                (*(*buffer)).data.write_bytes(0, (*(*buffer)).size);
            }
            if has(descriptor, ffi::AV_PIX_FMT_FLAG_PAL) {
                let palette = written.palette.as_ptr().cast::<u8>();
                (*frame).data[1].copy_from_nonoverlapping(palette, 1024);
            }
            if shape.upwards {
                turn_over(frame, descriptor);
            }
        }
        for component in 0..usize::from(descriptor.nb_components) {
            let rows = written.write(component, shape.size, chance);
            written.samples.push(rows);
        }
        written
    }

    fn size_of(&self, component: usize, (width, height): (usize, usize)) -> (usize, usize) {
        let (x, y) = match component {
            1 | 2 => (self.descriptor.log2_chroma_w, self.descriptor.log2_chroma_h),
            _ => (0, 0),
        };
        (width.div_ceil(1 << x), height.div_ceil(1 << y))
    }

    fn write(
        &mut self,
        component: usize,
        size: (usize, usize),
        chance: &mut Chance,
    ) -> Vec<Vec<u16>> {
        let (width, height) = self.size_of(component, size);
        let depth = self.descriptor.comp[component].depth;
        let frame = self.frame.as_mut_ptr(HeaderColour::UNKNOWN);
        let row = |y| {
            let samples: Vec<u16> = (0..width).map(|_| chance.next(depth)).collect();
            // SAFETY: the frame has that many samples in a row, and rows, of the component.
            unsafe {
                if self.name == "uyyvyy411" && component == 0 {
                    // Its descriptor cannot say how its luma lies (libavutil/pixfmt.h: Cb Y0 Y1 Cr Y2 Y3).
                    let row = (*frame).data[0].offset(y as isize * (*frame).linesize[0] as isize);
                    for (x, &sample) in samples.iter().enumerate() {
                        *row.add(x / 4 * 6 + [1, 2, 4, 5][x % 4]) = sample as u8;
                    }
                } else {
                    av_write_image_line2(
                        samples.as_ptr().cast(),
                        (*frame).data.as_mut_ptr(),
                        (*frame).linesize.as_ptr(),
                        self.descriptor,
                        0,
                        y as c_int,
                        component as c_int,
                        width as c_int,
                        2,
                    );
                }
            }
            samples
        };
        (0..height).map(row).collect()
    }

    /// What is to be read at a place of a component (R, G, B; or Y, Cb, Cr).
    fn expected(&self, component: usize, (x, y): (usize, usize)) -> u16 {
        if has(self.descriptor, ffi::AV_PIX_FMT_FLAG_PAL) {
            let colour = self.palette[usize::from(self.samples[0][y][x])];
            return (colour >> (16 - 8 * component) & 255) as u16;
        }
        let sample = self.samples[component][y][x];
        if self.name == "monow" {
            1 - sample
        } else {
            sample
        }
    }
}

/// # Safety
/// The frame must have buffers of a format so described.
unsafe fn turn_over(frame: *mut ffi::AVFrame, descriptor: &ffi::AVPixFmtDescriptor) {
    // SAFETY: by the caller; each plane's pointer stays in its buffer.
    unsafe {
        let planes = descriptor.comp[..usize::from(descriptor.nb_components)]
            .iter()
            .map(|c| c.plane as usize);
        for plane in 0..=planes.max().unwrap_or(0) {
            let rows = match plane {
                1 | 2 => ((*frame).height as usize).div_ceil(1 << descriptor.log2_chroma_h),
                _ => (*frame).height as usize,
            };
            let stride = (*frame).linesize[plane];
            (*frame).data[plane] =
                (*frame).data[plane].offset((rows as isize - 1) * stride as isize);
            (*frame).linesize[plane] = -stride;
        }
    }
}

/// What a picture holds at a place of a component, and its depth.
fn read(picture: &Picture, component: usize, (x, y): (usize, usize)) -> (u16, u8) {
    let at = |plane: usize, index: usize| {
        let Plane { data, stride } = picture.planes[plane];
        match picture.depth {
            8 => u16::from(data[y * stride + index]),
            _ => u16::from_le_bytes([
                data[y * stride + 2 * index],
                data[y * stride + 2 * index + 1],
            ]),
        }
    };
    let sample = match (picture.layout, component) {
        (Layout::Packed { r, g, b, step }, _) => {
            at(0, x * usize::from(step) + usize::from([r, g, b][component]))
        }
        (Layout::Gbr, _) => at([2, 0, 1][component], x),
        (Layout::Nv12, 1 | 2) => at(1, 2 * x + component - 1),
        _ => at(component, x),
    };
    (sample, picture.depth)
}

/// The written sample at the depth that it is read in.
fn scaled(sample: u16, from: c_int, to: u8) -> u16 {
    match i32::from(to) == from {
        true => sample,
        false => (f64::from(sample) * 255.0 / f64::from((1 << from) - 1)).round() as u16,
    }
}

fn check(format: c_int, shape: Shape, chance: &mut Chance) {
    let written = Written::new(format, shape, chance);
    let picture = written.frame.picture(Matrix::Bt601, Range::Full).unwrap();
    let palette = has(written.descriptor, ffi::AV_PIX_FMT_FLAG_PAL);
    let rgb = palette || has(written.descriptor, ffi::AV_PIX_FMT_FLAG_RGB);
    let components = match picture.layout {
        Layout::Gray => 1,
        _ => 3,
    };
    for component in 0..components {
        let from = match palette {
            true => 8,
            false => written.descriptor.comp[component].depth,
        };
        let (width, height) = match rgb {
            true => shape.size,
            false => written.size_of(component, shape.size),
        };
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let (sample, depth) = read(&picture, component, (x, y));
            let expected = scaled(written.expected(component, (x, y)), from, depth);
            assert_eq!(
                sample, expected,
                "{} {shape:?} component {component} at {x},{y}",
                written.name
            );
        }
    }
}

#[test]
fn every_layout_without_bayer_or_float_is_read_as_libavutil_writes_it() {
    let mut chance = Chance(1);
    let mut count = 0;
    let read = |(format, _, name): &(c_int, _, String)| {
        // XYZ is not only read but converted, and rgb8 is not as libavutil 5.1 describes it.
        Format::of(*format).is_ok() && !name.starts_with("xyz") && name != "rgb8"
    };
    for (format, ..) in descriptors().filter(read) {
        for size in [(1, 1), (7, 5), (16, 8), (33, 3)] {
            for (align, upwards) in [(1, false), (64, false), (1, true), (64, true)] {
                check(
                    format,
                    Shape {
                        size,
                        align,
                        upwards,
                    },
                    &mut chance,
                );
            }
        }
        count += 1;
    }
    assert!(count > 150, "{count} formats");
}

#[test]
fn only_bayer_float_and_what_lies_on_a_device_are_refused() {
    for (format, descriptor, name) in descriptors() {
        let unread = [
            ffi::AV_PIX_FMT_FLAG_BAYER,
            ffi::AV_PIX_FMT_FLAG_FLOAT,
            ffi::AV_PIX_FMT_FLAG_HWACCEL,
        ];
        let unread = unread.iter().any(|flag| has(descriptor, *flag));
        match Format::of(format) {
            Ok(_) => assert!(!unread, "{name}"),
            Err(error) => {
                assert!(unread, "{name}");
                assert_eq!(error.reason(), Reason::MediaUnsupported);
                assert!(error.message().contains(&name), "{}", error.message());
            }
        }
    }
}

#[test]
fn a_frame_that_is_filled_anew_is_unpacked_anew() {
    let format = descriptors()
        .find(|(_, _, name)| name == "yuyv422")
        .unwrap()
        .0;
    let shape = Shape {
        size: (8, 2),
        align: 1,
        upwards: false,
    };
    let mut chance = Chance(2);
    let mut written = Written::new(format, shape, &mut chance);
    let first = written
        .frame
        .picture(Matrix::Bt601, Range::Full)
        .unwrap()
        .planes[0]
        .data
        .to_vec();
    let frame = written.frame.as_mut_ptr(HeaderColour::UNKNOWN);
    // SAFETY: the frame's one plane has two rows of 16 bytes.
    unsafe { (*frame).data[0].write_bytes(!first[0], 32) };
    let second = written
        .frame
        .picture(Matrix::Bt601, Range::Full)
        .unwrap()
        .planes[0]
        .data
        .to_vec();
    assert_eq!(second, vec![!first[0]; 16]);
}
