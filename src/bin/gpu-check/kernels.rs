//! The kernels on the device against the CPU's reference, byte for byte.

use framecache::cancel::Stop;
use framecache::cuda::{Format, FramesPlan, RgbPlan, Source, TensorPlan};
use framecache::error::Result;
use framecache::hash::of_small;
use framecache::media::picture::Orientation;
use framecache::pixel::jfif::{JfifRequest, to_jfif};
use framecache::pixel::luma::{self, to_luma};
use framecache::pixel::resample::Filter;
use framecache::pixel::rgb::to_rgb;
use framecache::tensor::{Channels, Datatype, Fit, Layout, Maker, Normalize, Recipe, TensorSpec};
use framecache::timeline::plan::HashKind;

use crate::Args;
use crate::device::Card;
use crate::report::{Finding, Report};
use crate::surfaces::{FORMATS, MATRICES, RANGES, Surface, every_triple, source};

const PART: &str = "kernels";
pub const HASHES: [HashKind; 3] = [HashKind::Phash, HashKind::Dhash, HashKind::AverageHash];
const SIZES: [(usize, usize); 6] = [(1, 1), (3, 2), (5, 5), (31, 9), (130, 18), (257, 75)];

pub fn check(report: &mut Report, card: Option<&Card>, args: &Args) {
    let Some(card) = card else {
        report.add(PART, "against the reference", || {
            Ok(Finding::skipped(
                "needs a GPU; their source is compiled for the CPU in tests/kernels",
            ))
        });
        return;
    };
    report.add(PART, "planes of every colour, layout and size", || {
        colours(card, args.quick)
    });
    report.add(PART, "orientations, limits and hashes", || {
        orientations(card, args.quick)
    });
    report.add(PART, "gray", || gray(card));
    report.add(PART, "tensors", || tensors(card, args.quick));
    let layouts = [Format::Yuv444, Format::Nv12].into_iter();
    for format in layouts.take(if args.quick { 1 } else { 2 }) {
        report.add(PART, format!("all 2^24 triples, {format:?}"), || {
            triples(card, format, args.quick)
        });
    }
}

/// Bytes compared, and what differed.
#[derive(Default)]
pub struct Tally {
    compared: usize,
    cases: usize,
    differing: Vec<String>,
}

impl Tally {
    fn compare(&mut self, what: impl FnOnce() -> String, made: &[u8], expected: &[u8]) {
        self.compared += expected.len();
        self.cases += 1;
        if made != expected {
            self.differing.push(what());
        }
    }

    fn finding(self) -> Finding {
        let says = format!("{} comparisons of {} bytes", self.cases, self.compared);
        let finding = match self.differing.first() {
            None => Finding::pass(says),
            Some(first) => Finding::fail(format!(
                "{} of {says} differ, first {first}",
                self.differing.len()
            )),
        };
        finding
            .with("comparisons", self.cases)
            .with("bytes", self.compared)
            .with("differing", self.differing.len())
    }
}

struct Case<'c> {
    card: &'c Card,
    source: Source,
    surfaces: Vec<Surface>,
}

impl<'c> Case<'c> {
    fn new(card: &'c Card, source: Source, seed: u64) -> Self {
        let surfaces = [seed, seed + 1].map(|seed| Surface::new(&source, seed));
        Case {
            card,
            source,
            surfaces: surfaces.into(),
        }
    }

    fn planes(&self, request: &JfifRequest, hashes: &[HashKind], tally: &mut Tally) -> Result<()> {
        let plan = FramesPlan::new(self.source, request, hashes)?;
        let layout = plan.layout(self.surfaces.len());
        let output = self.card.run(plan, &self.surfaces)?;
        for (frame, surface) in self.surfaces.iter().enumerate() {
            let shown = surface.shown(&self.source);
            let expected = to_jfif(&shown.picture(), request)?;
            let made = layout.planes(&output, frame)?;
            let what = || format!("frame {frame} of {:?} {request:?}", self.source);
            tally.compare(what, made.y, &expected.y);
            tally.compare(what, made.cb, &expected.cb);
            tally.compare(what, made.cr, &expected.cr);
            let luma = to_luma(&shown.picture(), request.orientation)?;
            for (kind, small) in layout.small(frame) {
                let own = framecache::hash::compute(&luma, &[kind])?;
                let expected = own.phash.or(own.dhash).or(own.average_hash);
                let made = of_small(kind, &output[small]);
                let what = || format!("{kind:?} of {}", what());
                tally.compare(
                    what,
                    format!("{:?}", Some(made)).as_bytes(),
                    format!("{expected:?}").as_bytes(),
                );
            }
        }
        Ok(())
    }

    fn rgb(&self, orientation: Orientation, tally: &mut Tally) -> Result<()> {
        let output = self
            .card
            .run(RgbPlan::new(self.source, orientation)?, &self.surfaces)?;
        let bytes = output.len() / self.surfaces.len();
        for (made, surface) in output.chunks_exact(bytes).zip(&self.surfaces) {
            let expected = to_rgb(&surface.shown(&self.source).picture(), orientation)?;
            tally.compare(|| format!("RGB of {:?}", self.source), made, &expected.data);
        }
        Ok(())
    }

    fn tensor(&self, orientation: Orientation, recipe: &Recipe, tally: &mut Tally) -> Result<()> {
        let plan = TensorPlan::new(self.source, orientation, recipe)?;
        let output = self.card.run(plan, &self.surfaces)?;
        let mut maker = Maker::default();
        let bytes = output.len() / self.surfaces.len();
        for (made, surface) in output.chunks_exact(bytes).zip(&self.surfaces) {
            let rgb = to_rgb(&surface.shown(&self.source).picture(), orientation)?;
            let mut expected = vec![0; recipe.frame_bytes(recipe.output((rgb.width, rgb.height)))?];
            maker.make((recipe, &Stop::never()), &rgb, &mut expected)?;
            tally.compare(
                || format!("{:?} of {:?}", recipe.spec(), self.source),
                made,
                &expected,
            );
        }
        Ok(())
    }
}

fn all_orientations() -> impl Iterator<Item = Orientation> {
    [false, true]
        .into_iter()
        .flat_map(|mirrored| [0, 90, 180, 270].map(|rotation| Orientation { mirrored, rotation }))
}

fn colours(card: &Card, quick: bool) -> Result<Finding> {
    let mut tally = Tally::default();
    let mut seed = 0;
    let sizes = if quick { &SIZES[2..4] } else { &SIZES[..] };
    let cases = FORMATS
        .into_iter()
        .flat_map(|f| sizes.iter().map(move |s| (f, *s)));
    for (format, size) in cases {
        for (matrix, range) in MATRICES.into_iter().flat_map(|m| RANGES.map(|r| (m, r))) {
            seed += 2;
            let source = Source {
                matrix,
                range,
                ..source(format, size, 2 * (seed as usize % 3), seed as usize % 7)
            };
            let case = Case::new(card, source, seed);
            case.planes(&JfifRequest::default(), &[], &mut tally)?;
            case.rgb(Orientation::default(), &mut tally)?;
        }
    }
    Ok(tally.finding())
}

fn orientations(card: &Card, quick: bool) -> Result<Finding> {
    let mut tally = Tally::default();
    let sizes = if quick {
        &[(41, 35)][..]
    } else {
        &[(64, 40), (97, 75), (41, 130)]
    };
    let cases = FORMATS
        .into_iter()
        .flat_map(|f| sizes.iter().map(move |s| (f, *s)));
    for (format, size) in cases {
        for orientation in all_orientations() {
            let case = Case::new(card, source(format, size, 2, 3), tally.cases as u64);
            case.rgb(orientation, &mut tally)?;
            for max_side in [None, Some(1), Some(40)] {
                let request = JfifRequest {
                    orientation,
                    max_side,
                };
                case.planes(&request, &HASHES, &mut tally)?;
            }
        }
    }
    Ok(tally.finding())
}

fn gray(card: &Card) -> Result<Finding> {
    let mut tally = Tally::default();
    for (format, range) in FORMATS.into_iter().flat_map(|f| RANGES.map(|r| (f, r))) {
        let source = Source {
            is_gray: true,
            range,
            ..source(format, (66, 35), 2, 1)
        };
        let case = Case::new(card, source, tally.cases as u64);
        case.planes(&JfifRequest::default(), &HASHES, &mut tally)?;
        case.rgb(Orientation::default(), &mut tally)?;
    }
    Ok(tally.finding())
}

/// What is made of every case, before it is varied.
pub fn plain(datatype: Datatype, layout: Layout, channels: Channels) -> TensorSpec {
    TensorSpec {
        datatype,
        layout,
        channels,
        size: None,
        fit: Fit::Stretch,
        filter: Filter::Bilinear,
        pad_value: 114,
        normalize: None,
    }
}

fn specs() -> impl Iterator<Item = TensorSpec> {
    let datatypes = [Datatype::Uint8, Datatype::Fp16, Datatype::Fp32].into_iter();
    let layouts = datatypes.flat_map(|d| [Layout::Nhwc, Layout::Nchw].map(|l| (d, l)));
    layouts.flat_map(|(d, l)| {
        [Channels::Rgb, Channels::Bgr, Channels::Gray].map(|channels| plain(d, l, channels))
    })
}

fn tensors(card: &Card, quick: bool) -> Result<Finding> {
    let mut tally = Tally::default();
    let pictures = if quick {
        &[(50, 37)][..]
    } else {
        &[(50, 37), (33, 90), (7, 300)]
    };
    let ways = [Fit::Stretch, Fit::Letterbox, Fit::Crop]
        .into_iter()
        .flat_map(|fit| [Filter::Bilinear, Filter::Bicubic].map(|filter| (fit, filter)));
    for ((fit, filter), spec) in ways.flat_map(|way| specs().map(move |spec| (way, spec))) {
        for (picture, size) in pictures
            .iter()
            .flat_map(|p| [None, Some((64, 64)), Some((21, 20))].map(|s| (*p, s)))
        {
            let at = tally.cases;
            let n = spec.channels.count();
            let normalize = (spec.datatype != Datatype::Uint8 && at % 4 < 2).then(|| Normalize {
                scale: 1.0 / 255.0,
                mean: [0.485, 0.456, 0.406][..n].to_vec(),
                std: [0.229, 0.224, 0.225][..n].to_vec(),
            });
            let recipe = Recipe::new(TensorSpec {
                size,
                fit,
                filter,
                normalize,
                ..spec.clone()
            })?;
            let orientation = Orientation {
                mirrored: at % 3 == 0,
                rotation: [0, 90, 180, 270][at / 2 % 4],
            };
            let source = source(FORMATS[at / 2 % 6], picture, 2, at % 5);
            Case::new(card, source, at as u64).tensor(orientation, &recipe, &mut tally)?;
        }
    }
    Ok(tally.finding())
}

/// Planes, RGB and L of each Y, Cb, Cr of 8 bits, for every matrix and range; `quick`: for one.
fn triples(card: &Card, format: Format, quick: bool) -> Result<Finding> {
    let (geometry, surface) = every_triple(format);
    let gray = Recipe::new(plain(Datatype::Uint8, Layout::Nhwc, Channels::Gray))?;
    let surfaces = [surface];
    let (request, upright) = (JfifRequest::default(), Orientation::default());
    let mut tally = Tally::default();
    let colours = MATRICES.into_iter().flat_map(|m| RANGES.map(|r| (m, r)));
    for (matrix, range) in colours.take(if quick { 1 } else { 6 }) {
        let source = Source {
            matrix,
            range,
            ..geometry
        };
        let shown = surfaces[0].shown(&source);
        let what = || format!("{matrix:?} {range:?}");

        let plan = FramesPlan::new(source, &request, &[])?;
        let layout = plan.layout(1);
        let output = card.run(plan, &surfaces)?;
        let made = layout.planes(&output, 0)?;
        let expected = to_jfif(&shown.picture(), &request)?;
        tally.compare(what, made.y, &expected.y);
        tally.compare(what, made.cb, &expected.cb);
        tally.compare(what, made.cr, &expected.cr);

        let rgb = to_rgb(&shown.picture(), upright)?;
        tally.compare(
            what,
            &card.run(RgbPlan::new(source, upright)?, &surfaces)?,
            &rgb.data,
        );
        let luma = luma::of_rgb(&rgb);
        tally.compare(
            what,
            &card.run(TensorPlan::new(source, upright, &gray)?, &surfaces)?,
            &luma.data,
        );
    }
    Ok(tally.finding())
}
