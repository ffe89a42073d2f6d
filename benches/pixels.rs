//! Times a 1920 x 1080 picture through conversion, hashing and encoding on one
//! thread: `cargo bench --bench pixels [-- part of a name]`.

#![allow(clippy::unwrap_used)] // a panic is a failed measurement

use std::hint::black_box;
use std::time::Instant;

use framecache::hash::Hasher;
use framecache::jpeg::Encoder;
use framecache::media::colour::{Matrix, Range};
use framecache::media::picture::{JfifPlanes, Layout, Orientation, Picture, Plane};
use framecache::pixel::jfif::{JfifRequest, Scratch, to_jfif_into};
use framecache::pixel::luma::to_luma_into;
use framecache::pixel::rgb::to_rgb_into;
use framecache::pixel::{GrayImage, RgbImage};
use framecache::timeline::plan::HashKind;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

fn main() {
    let samples = pattern(2 * WIDTH * HEIGHT * 3);
    let picture = |layout, depth: u8, matrix| {
        let stride = if depth == 8 { WIDTH } else { 2 * WIDTH };
        let luma = Plane {
            data: &samples,
            stride,
        };
        let chroma_stride = if layout == Layout::Yuv420 {
            stride / 2
        } else {
            stride
        };
        let chroma = |from: usize| Plane {
            data: &samples[from..],
            stride: chroma_stride,
        };
        let planes = [luma, chroma(WIDTH * HEIGHT), chroma(WIDTH * HEIGHT * 5 / 4)];
        Picture {
            layout,
            depth,
            width: WIDTH,
            height: HEIGHT,
            planes,
            matrix,
            range: Range::Limited,
        }
    };
    let plain = picture(Layout::Yuv420, 8, Matrix::Bt709);
    let nv12 = picture(Layout::Nv12, 8, Matrix::Bt709);
    let upright = Orientation::default();
    let turned = Orientation {
        rotation: 90,
        mirrored: false,
    };
    let full = JfifRequest {
        orientation: upright,
        max_side: None,
    };

    let mut scratch = Scratch::default();
    let mut planes = JfifPlanes::default();
    let mut jfif = |name: &str, picture: &Picture, request: &JfifRequest| {
        time(name, || {
            to_jfif_into(picture, request, &mut scratch, &mut planes).unwrap()
        });
    };
    jfif("to_jfif 4:2:0 8 bit bt709", &plain, &full);
    jfif("to_jfif nv12 8 bit bt709", &nv12, &full);
    jfif(
        "to_jfif 4:2:0 8 bit bt601",
        &picture(Layout::Yuv420, 8, Matrix::Bt601),
        &full,
    );
    jfif(
        "to_jfif 4:4:4 8 bit bt709",
        &picture(Layout::Yuv444, 8, Matrix::Bt709),
        &full,
    );
    jfif(
        "to_jfif 4:2:0 16-bit words bt2020",
        &picture(Layout::Yuv420, 10, Matrix::Bt2020),
        &full,
    );
    jfif(
        "to_jfif turned by 90",
        &plain,
        &JfifRequest {
            orientation: turned,
            max_side: None,
        },
    );
    jfif(
        "to_jfif max_side 640",
        &plain,
        &JfifRequest {
            orientation: upright,
            max_side: Some(640),
        },
    );

    let (mut coded, mut luma, mut rgb) = (Vec::new(), GrayImage::default(), RgbImage::default());
    time("to_rgb", || {
        to_rgb_into(&plain, upright, &mut coded, &mut rgb).unwrap()
    });
    time("to_luma turned by 90", || {
        to_luma_into(&plain, turned, &mut coded, &mut luma).unwrap()
    });
    time("to_luma", || {
        to_luma_into(&plain, upright, &mut coded, &mut luma).unwrap()
    });
    let mut hasher = Hasher::default();
    for kind in [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash] {
        time(&format!("{kind:?} of luma"), || {
            black_box(hasher.compute(&luma, &[kind]).unwrap());
        });
    }
    time("to_luma and phash", || {
        to_luma_into(&plain, upright, &mut coded, &mut luma).unwrap();
        black_box(hasher.compute(&luma, &[HashKind::Phash]).unwrap());
    });
    let mut encoder = Encoder::new(85).unwrap();
    to_jfif_into(&plain, &full, &mut scratch, &mut planes).unwrap();
    time("encode q85", || {
        black_box(encoder.encode(&planes).unwrap());
    });
}

/// Smooth waves with a little noise, in 10-bit words that are also bytes of a sort.
fn pattern(len: usize) -> Vec<u8> {
    let mut noise = 1u32;
    (0..len)
        .map(|i| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wave =
                ((i % WIDTH) as f32 / 60.0).sin() * 60.0 + ((i / WIDTH) as f32 / 45.0).cos() * 40.0;
            (128.0 + wave) as u8 ^ (noise >> 30) as u8
        })
        .collect()
}

/// Prints the least and the middle of 60 runs in milliseconds.
fn time(name: &str, mut work: impl FnMut()) {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return work();
    }
    let mut runs: Vec<f64> = (0..60)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    println!(
        "{name:36} least {:7.3} ms  median {:7.3} ms",
        runs[0],
        runs[runs.len() / 2]
    );
}
