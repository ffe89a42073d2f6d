//! The resampler's passes on the device, with the weights of [`crate::pixel::resample`].

use std::ops::Range;

use crate::cuda::kernels::{self, Address, LANES, Launch, Resample};
use crate::cuda::steps::{Pictures, Steps};
use crate::error::Result;
use crate::media::picture::Orientation;
use crate::pixel::resample::{Axis, Geometry, Resampler};

/// One geometry's passes.
#[derive(Debug)]
pub(super) struct Resize {
    source: (usize, usize),
    channels: usize,
    pub target: (usize, usize),
    across: Option<Pass>,
    down: Option<Pass>,
    down_first: bool,
}

/// From so many taps on a warp makes a target of one channel, not a thread.
const MANY_TAPS: usize = 64;

/// Of one direction.
#[derive(Debug)]
struct Pass {
    /// Where its table begins, in bytes from the first one.
    table: u64,
    targets: usize,
    /// Of each target, where a warp makes it: so its table is.
    shared_taps: Option<usize>,
    /// Source samples that it needs.
    span: Range<usize>,
}

impl Pass {
    fn new(axis: &Axis, may_share: bool, tables: &mut Vec<i32>) -> Pass {
        let table = 4 * tables.len() as u64;
        let many = Some(axis.most_taps()).filter(|&taps| may_share && taps >= MANY_TAPS);
        tables.extend(match many {
            Some(_) => axis.table_by_target(),
            None => axis.table(),
        });
        Pass {
            table,
            targets: axis.starts.len(),
            shared_taps: many,
            span: axis.span(),
        }
    }
}

impl Resize {
    /// For pictures of `channels` bytes a pixel. Appends its weights to `tables`.
    pub fn new(geometry: &Geometry, channels: usize, tables: &mut Vec<i32>) -> Result<Resize> {
        let resampler = Resampler::new(geometry)?;
        let mut pass =
            |axis: Option<&Axis>, may_share| axis.map(|axis| Pass::new(axis, may_share, tables));
        Ok(Resize {
            source: geometry.source,
            target: geometry.target,
            channels,
            across: pass(resampler.horizontal(), channels == 1),
            down: pass(resampler.vertical(), false),
            down_first: resampler.is_vertical_first(),
        })
    }

    /// `count` pictures.
    pub fn run<L: Launch>(
        &self,
        steps: &mut Steps<L>,
        count: usize,
        source: Address,
        out: Address,
    ) -> Result<()> {
        let channels = self.channels;
        let way = Way {
            channels,
            count,
            tables: steps.batch.tables,
        };
        let (width, height) = self.source;
        let rows = 0..height;
        match (&self.across, &self.down) {
            (None, None) => {
                let pictures = Pictures {
                    size: self.source,
                    channels,
                    count,
                };
                steps.turn(&pictures, Orientation::default(), source, out)
            }
            (Some(across), None) => way.across(steps, across, (width, height, rows), (source, out)),
            (None, Some(down)) => way.down(steps, down, (width, rows), (source, out)),
            (Some(across), Some(down)) if self.down_first => {
                let between = steps.scratch(width * down.targets * channels * count);
                way.down(steps, down, (width, rows), (source, between))?;
                let rows = 0..down.targets;
                way.across(steps, across, (width, down.targets, rows), (between, out))
            }
            (Some(across), Some(down)) => {
                let rows = down.span.clone();
                let between = steps.scratch(across.targets * rows.len() * channels * count);
                let of_source = (width, height, rows.clone());
                way.across(steps, across, of_source, (source, between))?;
                way.down(steps, down, (across.targets, rows), (between, out))
            }
        }
    }
}

/// What both passes have in common.
struct Way {
    channels: usize,
    count: usize,
    tables: Address,
}

impl Way {
    /// Of a source of this width and height: `rows` of it.
    fn across<L: Launch>(
        &self,
        steps: &mut Steps<L>,
        pass: &Pass,
        (width, height, rows): (usize, usize, Range<usize>),
        (source, out): (Address, Address),
    ) -> Result<()> {
        let parameters = Resample {
            source,
            out,
            table: self.tables + pass.table,
            targets: pass.targets as u32,
            width: width as u32,
            source_rows: height as u32,
            first_row: rows.start as u32,
            rows: rows.len() as u32,
            missing_rows: 0,
            taps: pass.shared_taps.unwrap_or(0) as u32,
        };
        let (kernel, columns) = match pass.shared_taps {
            Some(_) => (&kernels::ACROSS_MANY, LANES as usize),
            None => (
                &kernels::ACROSS[usize::from(self.channels == 3)],
                self.channels,
            ),
        };
        let size = (pass.targets * columns, rows.len());
        steps.launch(kernel, size, self.count, &parameters)
    }

    /// Of a source of this width that has these rows of the picture.
    fn down<L: Launch>(
        &self,
        steps: &mut Steps<L>,
        pass: &Pass,
        (width, rows): (usize, Range<usize>),
        (source, out): (Address, Address),
    ) -> Result<()> {
        let row_bytes = width * self.channels;
        let parameters = Resample {
            source,
            out,
            table: self.tables + pass.table,
            targets: pass.targets as u32,
            width: row_bytes as u32,
            source_rows: rows.len() as u32,
            first_row: 0,
            rows: pass.targets as u32,
            missing_rows: rows.start as u32,
            taps: 0,
        };
        let size = (row_bytes, pass.targets);
        steps.launch(&kernels::DOWN, size, self.count, &parameters)
    }
}
