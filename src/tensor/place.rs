//! Where a picture comes to lie in the output. Sides in whole pixels are decided in integers.

use crate::pixel::resample::{Filter, Geometry};
use crate::tensor::spec::Fit;

/// From output pixels to the picture's, continuous coordinates:
/// x_picture = x_output * scale_x + offset_x, and y likewise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    pub scale_x: f64,
    pub scale_y: f64,
    pub offset_x: f64,
    pub offset_y: f64,
}

/// A part of the picture, resized to a rectangle of the output; around that is padding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Width and height, here and below.
    pub picture: (usize, usize),
    /// The part of the picture: x0, y0, x1, y1 in its pixels.
    pub area: [f64; 4],
    /// The rectangle's left upper corner and its size in output pixels.
    pub at: (usize, usize),
    pub inner: (usize, usize),
    pub output: (usize, usize),
}

impl Placement {
    /// All sides are at least 1, and small enough that a product of two fits 62 bits.
    pub fn new(picture: (usize, usize), output: (usize, usize), fit: Fit) -> Placement {
        let whole = Placement {
            picture,
            area: [0.0, 0.0, picture.0 as f64, picture.1 as f64],
            at: (0, 0),
            inner: output,
            output,
        };
        match fit {
            Fit::Stretch => whole,
            Fit::Letterbox => {
                let inner = inner(picture, output);
                Placement {
                    inner,
                    at: ((output.0 - inner.0) / 2, (output.1 - inner.1) / 2),
                    ..whole
                }
            }
            Fit::Crop => Placement {
                area: cropped(picture, output),
                ..whole
            },
        }
    }

    /// Whether pixels stay as they are.
    pub fn keeps_pixels(&self) -> bool {
        let whole = [0.0, 0.0, self.picture.0 as f64, self.picture.1 as f64];
        self.inner == self.picture && self.area == whole
    }

    pub fn geometry(&self, filter: Filter) -> Geometry {
        Geometry {
            source: self.picture,
            area: self.area,
            target: self.inner,
            filter,
        }
    }

    /// What maps the inner rectangle onto the area.
    pub fn transform(&self) -> Transform {
        let [x0, y0, x1, y1] = self.area;
        let scale_x = (x1 - x0) / self.inner.0 as f64;
        let scale_y = (y1 - y0) / self.inner.1 as f64;
        Transform {
            scale_x,
            scale_y,
            offset_x: x0 - self.at.0 as f64 * scale_x,
            offset_y: y0 - self.at.1 as f64 * scale_y,
        }
    }
}

/// `max(1, floor(side * r + 1/2))` with `r = min(W/w, H/h)`.
fn inner((w, h): (usize, usize), (out_w, out_h): (usize, usize)) -> (usize, usize) {
    let (num, den) = if out_w * h <= out_h * w {
        (out_w, w)
    } else {
        (out_h, h)
    };
    let scaled = |side: usize| ((2 * side * num + den) / (2 * den)).max(1);
    (scaled(w), scaled(h))
}

/// The largest centred part of the output's aspect; each side correctly rounded to f64.
fn cropped((w, h): (usize, usize), (out_w, out_h): (usize, usize)) -> [f64; 4] {
    let (wide, high) = (w * out_h, h * out_w);
    let half = |twice: usize, den: usize| twice as f64 / (2 * den) as f64;
    if wide >= high {
        let (x0, x1) = (half(wide - high, out_h), half(wide + high, out_h));
        [x0, 0.0, x1, h as f64]
    } else {
        let (y0, y1) = (half(high - wide, out_w), half(high + wide, out_w));
        [0.0, y0, w as f64, y1]
    }
}
