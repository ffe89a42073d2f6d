//! Where a sheet is drawn: filled areas, pictures, text.

use crate::font;
use crate::pixel::RgbImage;
use crate::sheet::{Cell, LABEL_GAP, Mark, label_width};

pub(super) type Colour = [u8; 3];

pub(super) const PAPER: Colour = [22, 24, 29];
pub(super) const FRAME: Colour = [36, 39, 47];
pub(super) const BRIGHT: Colour = [235, 237, 240];
pub(super) const DIM: Colour = [152, 160, 172];
pub(super) const ALARM: Colour = [226, 62, 62];
pub(super) const QUIET: Colour = [70, 76, 90];

/// Pixels around the sheet and between its cells.
pub(super) const MARGIN: usize = 16;
pub(super) const GAP: usize = 10;

#[derive(Clone, Copy)]
pub(super) struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

pub(super) struct Canvas(pub RgbImage);

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Canvas(RgbImage {
            width,
            height,
            data: PAPER.repeat(width * height),
        })
    }

    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.0.width && y < self.0.height {
            let at = 3 * (y * self.0.width + x);
            self.0.data[at..at + 3].copy_from_slice(&colour);
        }
    }

    fn fill(&mut self, area: Area, colour: Colour) {
        for y in area.y..area.y + area.height {
            (area.x..area.x + area.width).for_each(|x| self.set(x, y, colour));
        }
    }

    fn outline(&mut self, area: Area, thickness: usize, colour: Colour) {
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        let thickness = thickness.min(width).min(height);
        for edge in [
            Area {
                height: thickness,
                ..area
            },
            Area {
                y: y + height - thickness,
                height: thickness,
                ..area
            },
            Area {
                width: thickness,
                ..area
            },
            Area {
                x: x + width - thickness,
                width: thickness,
                ..area
            },
        ] {
            self.fill(edge, colour);
        }
    }

    fn text(&mut self, (x, y): (usize, usize), scale: usize, colour: Colour, text: &str) {
        for (dx, dy) in font::ink(text) {
            self.fill(
                Area {
                    x: x + dx * scale,
                    y: y + dy * scale,
                    width: scale,
                    height: scale,
                },
                colour,
            );
        }
    }

    /// The title, cut where it does not fit, and what there is to say beside it.
    pub fn title(&mut self, (title, aside): (&str, &str)) {
        let room = self.0.width.saturating_sub(2 * MARGIN);
        let fits = (room / (2 * font::ADVANCE)).max(1);
        let title: String = title.chars().take(fits).collect();
        self.text((MARGIN, MARGIN), 2, BRIGHT, &title);
        let used = 2 * font::width(&title) + 3 * GAP;
        if used + 2 * font::width(aside) <= room {
            self.text((MARGIN + used, MARGIN), 2, DIM, aside);
        }
    }

    pub fn cell(&mut self, area: Area, cell: &Cell) {
        let shown = match &cell.picture {
            Some(picture) => self.picture(area, picture),
            None => self.crossed(area),
        };
        match &cell.mark {
            Mark::None => {}
            Mark::Damaged => self.alarm(shown, "DAMAGED"),
            Mark::Missing => self.alarm(shown, "MISSING"),
            Mark::Lost => self.alarm(shown, "LOST"),
            Mark::Repeats(seq) => self.tag(shown, QUIET, &format!("= {seq}")),
        }
    }

    /// Centred; where it leaves room, the room is seen.
    fn picture(&mut self, area: Area, picture: &RgbImage) -> Area {
        self.fill(area, FRAME);
        let (width, height) = (
            picture.width.min(area.width),
            picture.height.min(area.height),
        );
        let x = area.x + (area.width - width) / 2;
        let y = area.y + (area.height - height) / 2;
        for row in 0..height {
            let from = 3 * row * picture.width;
            let to = 3 * ((y + row) * self.0.width + x);
            self.0.data[to..to + 3 * width].copy_from_slice(&picture.data[from..from + 3 * width]);
        }
        Area {
            x,
            y,
            width,
            height,
        }
    }

    fn crossed(&mut self, area: Area) -> Area {
        self.fill(area, FRAME);
        for x in 0..area.width {
            let y = x * area.height.saturating_sub(1) / area.width.max(1);
            for dy in 0..2 {
                self.set(area.x + x, area.y + (y + dy).min(area.height - 1), QUIET);
                self.set(
                    area.x + area.width - 1 - x,
                    area.y + (y + dy).min(area.height - 1),
                    QUIET,
                );
            }
        }
        area
    }

    fn alarm(&mut self, area: Area, text: &str) {
        self.outline(area, 3, ALARM);
        self.tag(area, ALARM, text);
    }

    fn tag(&mut self, area: Area, colour: Colour, text: &str) {
        let scale = if 2 * font::width(text) + 12 <= area.width {
            2
        } else {
            1
        };
        let width = (font::width(text) * scale + 6 * scale).min(area.width);
        self.fill(
            Area {
                width,
                height: ((font::HEIGHT + 6) * scale).min(area.height),
                ..area
            },
            colour,
        );
        self.text(
            (area.x + 3 * scale, area.y + 3 * scale),
            scale,
            BRIGHT,
            text,
        );
    }

    pub fn label(&mut self, area: Area, cell: &Cell, scale: usize) {
        let y = area.y + area.height + LABEL_GAP;
        self.text((area.x, y), scale, BRIGHT, &cell.seq.to_string());
        let width = font::width(&cell.time) * scale;
        if label_width(cell) * scale <= area.width {
            self.text((area.x + area.width - width, y), scale, DIM, &cell.time);
        }
    }
}
