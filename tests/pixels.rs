//! Pixels, hashes and JPEGs against NumPy, Pillow and ImageHash, on the cases
//! that tests/oracles/pixels.py wrote; `FRAMECACHE_PIXEL_CASES` names a file of more.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a panic is a failed test

use md5::{Digest, Md5};

use framecache::hash;
use framecache::jpeg;
use framecache::media::colour::{Matrix, Range};
use framecache::media::picture::{JfifPlanes, Layout, Orientation, Picture, Plane};
use framecache::pixel::jfif::{self, JfifRequest};
use framecache::pixel::resample::{Filter, Geometry, resize_gray, resize_rgb};
use framecache::pixel::{GrayImage, RgbImage, luma, rgb};

/// Runs `check` on the fields of each case of `kind`.
fn each_case(kind: &str, check: impl Fn(&[&str])) {
    let more = std::env::var("FRAMECACHE_PIXEL_CASES")
        .map(|path| std::fs::read_to_string(path).expect("the file of FRAMECACHE_PIXEL_CASES"))
        .unwrap_or_default();
    let mut count = 0;
    for line in include_str!("oracles/pixels.txt")
        .lines()
        .chain(more.lines())
    {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields[0] == kind {
            check(&fields[1..]);
            count += 1;
        }
    }
    println!("{kind}: {count} cases");
    assert!(count >= 5);
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(field: &str) -> T {
    field.parse().unwrap()
}

/// The generator of pixels.py: 32 bits from an index.
fn noise(count: usize, seed: u64) -> impl Iterator<Item = u32> {
    (0..count).map(move |index| {
        let mut v = (index as u64).wrapping_add(seed.wrapping_mul(0x9E37_79B9)) as u32;
        for _ in 0..2 {
            v ^= v >> 16;
            v = v.wrapping_mul(0x045D_9F3B);
        }
        v ^ (v >> 16)
    })
}

fn noise_bytes(count: usize, seed: u64) -> Vec<u8> {
    noise(count, seed).map(|v| v as u8).collect()
}

fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Samples of one plane with padded rows, as a decoder hands them over.
struct Samples {
    data: Vec<u8>,
    stride: usize,
}

fn samples(width: usize, height: usize, depth: u8, seed: u64) -> Samples {
    let bytes = if depth == 8 { 1 } else { 2 };
    let stride = width * bytes + (seed % 7) as usize;
    let mut data = vec![0xA5; stride * height];
    for (index, v) in noise(width * height, seed).enumerate() {
        let value = ((v >> 3) % (1 << depth)) as u16;
        let at = index / width * stride + index % width * bytes;
        data[at..][..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    }
    Samples { data, stride }
}

struct PictureCase {
    layout: Layout,
    depth: u8,
    matrix: Matrix,
    range: Range,
    width: usize,
    height: usize,
    request: JfifRequest,
    planes: Vec<Samples>,
}

impl PictureCase {
    fn read(fields: &[&str]) -> PictureCase {
        let (width, height): (usize, usize) = (number(fields[4]), number(fields[5]));
        let depth = number(fields[1]);
        let seed: u64 = number(fields[13]);
        let half = |size: usize, shift: u32| size.div_ceil(1 << shift);
        let yuv = |layout, x, y| {
            (
                layout,
                vec![
                    (width, height),
                    (half(width, x), half(height, y)),
                    (half(width, x), half(height, y)),
                ],
            )
        };
        let step: u8 = number(fields[12]);
        let [r, g, b] = [9, 10, 11].map(|at| number(fields[at]));
        let (layout, sizes) = match fields[0] {
            "gray" => (Layout::Gray, vec![(width, height)]),
            "yuv420" => yuv(Layout::Yuv420, 1, 1),
            "yuv422" => yuv(Layout::Yuv422, 1, 0),
            "yuv444" => yuv(Layout::Yuv444, 0, 0),
            "yuv440" => yuv(Layout::Yuv440, 0, 1),
            "yuv411" => yuv(Layout::Yuv411, 2, 0),
            "yuv410" => yuv(Layout::Yuv410, 2, 2),
            "nv12" => (
                Layout::Nv12,
                vec![(width, height), (2 * half(width, 1), half(height, 1))],
            ),
            "gbr" => (Layout::Gbr, vec![(width, height); 3]),
            _ => (
                Layout::Packed { r, g, b, step },
                vec![(width * usize::from(step), height)],
            ),
        };
        let max_side = number(fields[8]);
        PictureCase {
            layout,
            depth,
            matrix: match fields[2] {
                "bt601" => Matrix::Bt601,
                "bt709" => Matrix::Bt709,
                _ => Matrix::Bt2020,
            },
            range: if fields[3] == "full" {
                Range::Full
            } else {
                Range::Limited
            },
            width,
            height,
            request: JfifRequest {
                orientation: Orientation {
                    mirrored: fields[6] == "1",
                    rotation: number(fields[7]),
                },
                max_side: (max_side > 0).then_some(max_side),
            },
            planes: (seed..)
                .zip(sizes)
                .map(|(seed, (w, h))| samples(w, h, depth, seed))
                .collect(),
        }
    }

    fn picture(&self) -> Picture<'_> {
        let empty = Plane {
            data: &[],
            stride: 0,
        };
        let mut planes = [empty; 3];
        for (plane, samples) in planes.iter_mut().zip(&self.planes) {
            *plane = Plane {
                data: &samples.data,
                stride: samples.stride,
            };
        }
        Picture {
            layout: self.layout,
            depth: self.depth,
            width: self.width,
            height: self.height,
            planes,
            matrix: self.matrix,
            range: self.range,
        }
    }
}

#[test]
fn jfif_planes_are_those_that_numpy_and_pillows_box_make() {
    each_case("picture", |fields| {
        let case = PictureCase::read(fields);
        let planes = jfif::to_jfif(&case.picture(), &case.request).unwrap();
        assert_eq!(md5_of(&planes.y), fields[14], "Y of {fields:?}");
        if planes.is_gray() {
            assert_eq!(fields[15], "-", "{fields:?}");
        } else {
            assert_eq!(md5_of(&planes.cb), fields[15], "Cb of {fields:?}");
            assert_eq!(md5_of(&planes.cr), fields[16], "Cr of {fields:?}");
        }
    });
}

#[test]
fn rgb_is_what_numpy_makes_and_luma_is_pillows_l_of_it() {
    each_case("picture", |fields| {
        let case = PictureCase::read(fields);
        let rgb = rgb::to_rgb(&case.picture(), case.request.orientation).unwrap();
        assert_eq!(md5_of(&rgb.data), fields[17], "RGB of {fields:?}");
        let luma = luma::to_luma(&case.picture(), case.request.orientation).unwrap();
        assert_eq!(md5_of(&luma.data), fields[18], "L of {fields:?}");
        assert_eq!(luma::of_rgb(&rgb), luma, "{fields:?}");
    });
}

#[test]
fn resizing_is_pillows() {
    each_case("resize", |fields| {
        let (width, height): (usize, usize) = (number(fields[1]), number(fields[2]));
        let geometry = Geometry {
            source: (width, height),
            area: [4, 5, 6, 7].map(|at| number(fields[at])),
            target: (number(fields[8]), number(fields[9])),
            filter: match fields[3] {
                "box" => Filter::Box,
                "bilinear" => Filter::Bilinear,
                "bicubic" => Filter::Bicubic,
                _ => Filter::Lanczos,
            },
        };
        let channels: usize = number(fields[0]);
        let data = noise_bytes(width * height * channels, number(fields[10]));
        let resized = if channels == 1 {
            resize_gray(
                &GrayImage {
                    width,
                    height,
                    data,
                },
                &geometry,
            )
            .unwrap()
            .data
        } else {
            resize_rgb(
                &RgbImage {
                    width,
                    height,
                    data,
                },
                &geometry,
            )
            .unwrap()
            .data
        };
        assert_eq!(md5_of(&resized), fields[11], "{fields:?}");
    });
}

#[test]
fn hashes_are_imagehashs() {
    each_case("hash", |fields| {
        let (width, height): (usize, usize) = (number(fields[0]), number(fields[1]));
        let seed: u64 = number(fields[3]);
        let data = if fields[2] == "1" {
            vec![seed as u8; width * height]
        } else {
            let coarse: Vec<u32> = noise(64, seed).map(|v| v & 255).collect();
            let fine = noise(width * height, seed + 1).map(|v| v & 31).enumerate();
            fine.map(|(at, fine)| {
                let block = at / width * 8 / height * 8 + at % width * 8 / width;
                (coarse[block] * 7 / 8 + fine) as u8
            })
            .collect()
        };
        let luma = GrayImage {
            width,
            height,
            data,
        };
        let kinds = [
            framecache::timeline::plan::HashKind::Phash,
            framecache::timeline::plan::HashKind::Dhash,
            framecache::timeline::plan::HashKind::AverageHash,
        ];
        let hashes = hash::compute(&luma, &kinds).unwrap();
        let ours = [hashes.phash, hashes.dhash, hashes.average_hash]
            .map(|hash| hash::to_hex(hash.unwrap()));
        assert_eq!(ours, fields[4..7], "{fields:?}");
    });
}

#[test]
fn the_encoded_file_is_byte_for_byte_the_one_pillow_writes() {
    each_case("encode", |fields| {
        let (width, height): (usize, usize) = (number(fields[1]), number(fields[2]));
        let seed: u64 = number(fields[4]);
        let half = if fields[0] == "1" {
            0
        } else {
            width.div_ceil(2) * height.div_ceil(2)
        };
        let planes = JfifPlanes {
            width,
            height,
            y: noise_bytes(width * height, seed),
            cb: noise_bytes(half, seed + 1),
            cr: noise_bytes(half, seed + 2),
        };
        let file = jpeg::Encoder::new(number(fields[3]))
            .unwrap()
            .encode(&planes)
            .unwrap();
        assert_eq!(md5_of(&file), fields[5], "{fields:?}");
        assert_eq!(jpeg::dimensions(&file).unwrap(), (width, height));
    });
}

#[test]
fn decoding_is_pillows() {
    each_case("decode", |fields| {
        let hex = fields[2].as_bytes().chunks(2);
        let file: Vec<u8> = hex
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let image = jpeg::decode_rgb(&file).unwrap();
        assert_eq!(
            (image.width, image.height),
            (number(fields[0]), number(fields[1]))
        );
        assert_eq!(md5_of(&image.data), fields[3], "{fields:?}");
        let cut = jpeg::decode_rgb(&file[..file.len() - 8]).unwrap_err();
        assert_eq!(cut.reason(), framecache::error::Reason::MediaCorrupt);
    });
}
