//! Contact sheets: small pictures in rows, each with its number and time below it.

mod canvas;

use crate::error::{Error, Result};
use crate::font;
use crate::pixel::RgbImage;
use crate::pixel::resample::{Filter, Geometry, Resampler, Scratch, resize_rgb};
use crate::png::RgbaImage;
use canvas::{Area, Canvas, GAP, MARGIN};

/// Between a picture and its label, and the label and the next row.
const LABEL_GAP: usize = 6;
/// A cell is at most so much higher than wide.
const MAX_TALLNESS: usize = 2;
/// Sides of the whole sheet.
const MAX_SIDE: usize = 16_384;

/// What is to be said of a frame beside its number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    None,
    Damaged,
    /// The decoder did not deliver it.
    Missing,
    /// It cannot be read.
    Lost,
    /// It is answered with that frame's bytes.
    Repeats(u64),
}

/// One frame of the sheet.
#[derive(Debug, Clone)]
pub struct Cell {
    pub seq: u64,
    /// As it is printed; empty where unknown.
    pub time: String,
    /// No larger than the layout's cell.
    pub picture: Option<RgbImage>,
    pub mark: Mark,
}

/// How a sheet is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Of the sheet, in pixels.
    pub width: usize,
    pub columns: usize,
}

impl Layout {
    /// # Errors
    /// FIELD_INVALID where cells would be under 32 pixels wide, or the sheet over 16,384.
    pub fn new(width: usize, columns: usize) -> Result<Self> {
        let layout = Layout {
            width,
            columns: columns.max(1),
        };
        if width > MAX_SIDE || layout.cell_width() < 32 {
            let message = format!(
                "a sheet of this width cannot have so many columns, width={width} columns={columns}"
            );
            return Err(Error::field(message).hint(format!(
                "give each column 42 pixels at least, and the sheet at most {MAX_SIDE}"
            )));
        }
        Ok(layout)
    }

    /// So many columns that `count` frames make a sheet about as high as wide.
    pub fn columns_for(count: usize) -> usize {
        match count {
            0..=5 => count.max(1),
            6..=12 => 4,
            13..=30 => 6,
            _ => 8,
        }
    }

    fn cell_width(&self) -> usize {
        let gaps = 2 * MARGIN + GAP * (self.columns - 1);
        self.width.saturating_sub(gaps) / self.columns
    }

    /// The size in a cell of a picture of this shape (width and height as shown, in any unit).
    pub fn fitted(&self, width: f64, height: f64) -> (usize, usize) {
        let most = (
            self.cell_width() as f64,
            (MAX_TALLNESS * self.cell_width()) as f64,
        );
        let scale = (most.0 / width.max(1.0)).min(most.1 / height.max(1.0));
        let side = |side: f64| ((side * scale).round() as usize).max(1);
        (side(width), side(height))
    }
}

/// A frame's picture at its size on the sheet, averaged (BOX).
///
/// # Errors
/// As [`resize_rgb`].
pub fn thumbnail(picture: &RgbImage, size: (usize, usize)) -> Result<RgbImage> {
    resize_rgb(
        picture,
        &Geometry::whole((picture.width, picture.height), size, Filter::Box),
    )
}

/// Draws an overlay, brought to the picture's size, over it.
///
/// # Errors
/// As [`Resampler::new`].
pub fn lay_over(picture: &mut RgbImage, overlay: &RgbaImage) -> Result<()> {
    let geometry = Geometry::whole(
        (overlay.width, overlay.height),
        (picture.width, picture.height),
        Filter::Box,
    );
    let mut resized = Vec::new();
    Resampler::new(&geometry)?.run::<4>(
        &premultiplied(overlay),
        &mut Scratch::default(),
        &mut resized,
    )?;
    for (below, above) in picture
        .data
        .chunks_exact_mut(3)
        .zip(resized.chunks_exact(4))
    {
        let shows = 255 - u32::from(above[3]);
        for (below, above) in below.iter_mut().zip(above) {
            let mixed = u32::from(*above) + (u32::from(*below) * shows + 127) / 255;
            *below = mixed.min(255) as u8;
        }
    }
    Ok(())
}

/// Averaging needs colour weighted by alpha.
fn premultiplied(image: &RgbaImage) -> Vec<u8> {
    let mut data = image.data.clone();
    for pixel in data.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        for value in pixel.iter_mut().take(3) {
            *value = ((u32::from(*value) * alpha + 127) / 255) as u8;
        }
    }
    data
}

/// Draws the sheet: a title, its frames, their labels.
///
/// # Errors
/// FIELD_INVALID for a sheet over 16,384 pixels high.
pub fn draw(layout: Layout, title: (&str, &str), cells: &[Cell]) -> Result<RgbImage> {
    let cell_width = layout.cell_width();
    let heights = cells
        .iter()
        .filter_map(|cell| Some(cell.picture.as_ref()?.height));
    let cell_height = heights.max().unwrap_or(cell_width * 9 / 16).max(1);
    let scale = if cells.iter().all(|cell| label_width(cell) * 2 <= cell_width) {
        2
    } else {
        1
    };
    let row_height = cell_height + LABEL_GAP + font::HEIGHT * scale + LABEL_GAP + GAP;
    let top = MARGIN + font::HEIGHT * 2 + MARGIN;
    let rows = cells.len().div_ceil(layout.columns);
    let height = top + rows * row_height + MARGIN - GAP.min(rows * GAP);
    if height > MAX_SIDE {
        let message = format!("the sheet would be too high, height={height} limit={MAX_SIDE}");
        return Err(Error::field(message).hint("show fewer frames with --limit, or add columns"));
    }
    let mut canvas = Canvas::new(layout.width, height);
    canvas.title(title);
    for (place, cell) in cells.iter().enumerate() {
        let x = MARGIN + place % layout.columns * (cell_width + GAP);
        let y = top + place / layout.columns * row_height;
        let area = Area {
            x,
            y,
            width: cell_width,
            height: cell_height,
        };
        canvas.cell(area, cell);
        canvas.label(area, cell, scale);
    }
    Ok(canvas.0)
}

fn label_width(cell: &Cell) -> usize {
    font::width(&format!("{}  {}", cell.seq, cell.time))
}

#[cfg(test)]
mod tests {
    use super::canvas::{ALARM, Colour, DIM};
    use super::*;

    fn flat(width: usize, height: usize, colour: Colour) -> RgbImage {
        RgbImage {
            width,
            height,
            data: colour.repeat(width * height),
        }
    }

    fn cell(picture: Option<RgbImage>, mark: Mark) -> Cell {
        Cell {
            seq: 7,
            time: "0:01.500".to_owned(),
            picture,
            mark,
        }
    }

    fn count(image: &RgbImage, colour: Colour) -> usize {
        image
            .data
            .chunks_exact(3)
            .filter(|pixel| **pixel == colour)
            .count()
    }

    #[test]
    fn a_sheet_shows_every_picture_whole_and_its_label() {
        let layout = Layout::new(400, 2).unwrap();
        let size = layout.fitted(16.0, 9.0);
        let cells = vec![cell(Some(flat(size.0, size.1, [1, 200, 3])), Mark::None); 3];
        let sheet = draw(layout, ("title", ""), &cells).unwrap();
        assert_eq!(sheet.data.len(), 3 * sheet.width * sheet.height);
        assert_eq!(count(&sheet, [1, 200, 3]), 3 * size.0 * size.1);
        assert_eq!(count(&sheet, DIM), 4 * 3 * font::ink("0:01.500").count());
    }

    #[test]
    fn damage_is_seen_and_nothing_else_is_red() {
        let layout = Layout::new(400, 2).unwrap();
        let size = layout.fitted(16.0, 9.0);
        let picture = || Some(flat(size.0, size.1, [9, 9, 9]));
        let red = |picture, mark| {
            count(
                &draw(layout, ("t", ""), &[cell(picture, mark)]).unwrap(),
                ALARM,
            )
        };
        assert_eq!(red(picture(), Mark::None), 0);
        assert_eq!(red(picture(), Mark::Repeats(3)), 0);
        for (picture, mark) in [
            (picture(), Mark::Damaged),
            (None, Mark::Missing),
            (None, Mark::Lost),
        ] {
            assert!(red(picture, mark) > 1000);
        }
    }

    #[test]
    fn an_overlay_covers_by_its_alpha_and_keeps_its_colour_at_soft_edges() {
        let mut picture = flat(2, 1, [100, 100, 100]);
        // Left: opaque red; right: wholly transparent green, which must not be seen.
        let data = vec![255, 0, 0, 255, 0, 255, 0, 0];
        lay_over(
            &mut picture,
            &RgbaImage {
                width: 2,
                height: 1,
                data: data.clone(),
            },
        )
        .unwrap();
        assert_eq!(picture.data, [255, 0, 0, 100, 100, 100]);
        let mut half = flat(1, 1, [100, 100, 100]);
        lay_over(
            &mut half,
            &RgbaImage {
                width: 2,
                height: 1,
                data,
            },
        )
        .unwrap();
        assert!(
            half.data[0].abs_diff(178) < 2 && half.data[1].abs_diff(50) < 2,
            "{:?}",
            half.data
        );
    }

    #[test]
    fn shapes_are_kept_and_impossible_sheets_refused() {
        let layout = Layout::new(1600, 8).unwrap();
        let (width, height) = layout.fitted(1920.0, 1080.0);
        assert_eq!(width, layout.cell_width());
        assert!(height.abs_diff(width * 9 / 16) <= 1);
        let (width, height) = layout.fitted(100.0, 10_000.0);
        assert_eq!((width < 5, height), (true, 2 * layout.cell_width()));
        assert!(Layout::new(100, 8).is_err() && Layout::new(20_000, 8).is_err());
        let tall = vec![cell(None, Mark::Lost); 2000];
        assert!(draw(Layout::new(400, 2).unwrap(), ("t", ""), &tall).is_err());
    }
}
