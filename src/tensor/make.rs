//! One picture into its place in a batch.

use crate::cancel::Stop;
use crate::error::{Error, Result};
use crate::pixel::resample::{Resampler, Scratch};
use crate::pixel::{GrayImage, RgbImage, luma};
use crate::tensor::place::{Placement, Transform};
use crate::tensor::spec::{Channels, Layout, Recipe};
use crate::tensor::values::{Table, Values};

/// Makes frames of pictures, and keeps its buffers and weights for the next one.
#[derive(Debug, Default)]
pub struct Maker {
    gray: GrayImage,
    resampler: Option<Resampler>,
    scratch: Scratch,
    resized: Vec<u8>,
}

impl Maker {
    /// Writes the frame of `picture` to `out`, which has the recipe's `frame_bytes`.
    ///
    /// # Errors
    /// INTERNAL where `out` or the picture has another size than it says; CANCELLED.
    pub fn make(
        &mut self,
        (recipe, stop): (&Recipe, &Stop),
        picture: &RgbImage,
        out: &mut [u8],
    ) -> Result<Transform> {
        let spec = recipe.spec();
        let size = (picture.width, picture.height);
        let expected = recipe.frame_bytes(recipe.output(size))?;
        let samples = size.0.saturating_mul(size.1).saturating_mul(3);
        if out.len() != expected || samples != picture.data.len() || samples == 0 {
            return Err(Error::internal(format!(
                "make a tensor: sizes do not fit width={} height={} bytes={} out={}",
                size.0,
                size.1,
                picture.data.len(),
                out.len()
            )));
        }
        let place = recipe.place(size);
        if spec.channels == Channels::Gray {
            luma::of_rgb_into(picture, &mut self.gray);
        }
        let pixels = match (spec.channels, place.keeps_pixels()) {
            (Channels::Gray, true) => &self.gray.data,
            (_, true) => &picture.data,
            (channels, false) => {
                let geometry = place.geometry(spec.filter);
                let resampler = Resampler::cached(&mut self.resampler, &geometry)?;
                let (scratch, resized) = (&mut self.scratch, &mut self.resized);
                match channels {
                    Channels::Gray => {
                        resampler.run_until::<1>(stop, &self.gray.data, scratch, resized)?;
                    }
                    Channels::Rgb | Channels::Bgr => {
                        resampler.run_until::<3>(stop, &picture.data, scratch, resized)?;
                    }
                }
                &self.resized
            }
        };
        let inner = Inner {
            recipe,
            place: &place,
            pixels,
        };
        inner.write(out);
        Ok(place.transform())
    }
}

/// The resized picture, and where it goes.
struct Inner<'a> {
    recipe: &'a Recipe,
    place: &'a Placement,
    /// `height x width x channels`, in the order R, G, B.
    pixels: &'a [u8],
}

impl Inner<'_> {
    fn write(&self, out: &mut [u8]) {
        match self.recipe.values() {
            Values::Uint8(_) if self.is_copied() => out.copy_from_slice(self.pixels),
            Values::Uint8(table) => self.write_values(table, out),
            Values::Fp16(table) => self.write_values(table, out),
            Values::Fp32(table) => self.write_values(table, out),
        }
    }

    /// Whether the bytes are those of the resized picture, one for one.
    fn is_copied(&self) -> bool {
        let spec = self.recipe.spec();
        let in_order = match spec.channels {
            Channels::Rgb => spec.layout == Layout::Nhwc,
            Channels::Gray => true,
            Channels::Bgr => false,
        };
        in_order && self.place.inner == self.place.output
    }

    fn write_values<const N: usize>(&self, table: &Table<N>, out: &mut [u8]) {
        let (out, _) = out.as_chunks_mut::<N>();
        let spec = self.recipe.spec();
        match (spec.channels, spec.layout) {
            (Channels::Gray, _) => self.plane::<N, 1>(table, 0, out),
            (Channels::Rgb | Channels::Bgr, Layout::Nhwc) => self.interleaved(table, out),
            (Channels::Rgb | Channels::Bgr, Layout::Nchw) => {
                let samples = self.place.output.0 * self.place.output.1;
                for (channel, out) in out.chunks_exact_mut(samples).enumerate() {
                    self.plane::<N, 3>(table, channel, out);
                }
            }
        }
    }

    /// Which of a pixel's bytes a channel of the tensor is.
    fn picked(&self, channel: usize) -> usize {
        match self.recipe.spec().channels {
            Channels::Bgr => 2 - channel,
            Channels::Rgb | Channels::Gray => channel,
        }
    }

    /// One channel, of pixels of `C` bytes.
    fn plane<const N: usize, const C: usize>(
        &self,
        table: &Table<N>,
        channel: usize,
        out: &mut [[u8; N]],
    ) {
        let (values, picked) = (&table[channel], self.picked(channel));
        let pad = values[usize::from(self.recipe.spec().pad_value)];
        let (pixels, _) = self.pixels.as_chunks::<C>();
        let mut rows = pixels.chunks_exact(self.place.inner.0);
        for (y, out) in out.chunks_exact_mut(self.place.output.0).enumerate() {
            let Some(pixels) = self.row(y, &mut rows) else {
                out.fill(pad);
                continue;
            };
            let (left, out) = out.split_at_mut(self.place.at.0);
            let (own, right) = out.split_at_mut(pixels.len());
            left.fill(pad);
            right.fill(pad);
            for (out, pixel) in own.iter_mut().zip(pixels) {
                *out = values[usize::from(pixel[picked])];
            }
        }
    }

    /// Three channels, a pixel after the other.
    fn interleaved<const N: usize>(&self, table: &Table<N>, out: &mut [[u8; N]]) {
        let [first, second, third] = [0, 1, 2].map(|channel| &table[channel]);
        let picked = [0, 1, 2].map(|channel| self.picked(channel));
        let value = |pixel: &[u8; 3]| {
            let [x, y, z] = picked.map(|at| usize::from(pixel[at]));
            [first[x], second[y], third[z]]
        };
        let pad = value(&[self.recipe.spec().pad_value; 3]);
        let (out, _) = out.as_chunks_mut::<3>();
        let (pixels, _) = self.pixels.as_chunks::<3>();
        let mut rows = pixels.chunks_exact(self.place.inner.0);
        for (y, out) in out.chunks_exact_mut(self.place.output.0).enumerate() {
            let Some(pixels) = self.row(y, &mut rows) else {
                out.fill(pad);
                continue;
            };
            let (left, out) = out.split_at_mut(self.place.at.0);
            let (own, right) = out.split_at_mut(pixels.len());
            left.fill(pad);
            right.fill(pad);
            for (out, pixel) in own.iter_mut().zip(pixels) {
                *out = value(pixel);
            }
        }
    }

    /// The picture's row that lies in row `y` of the output; none where that is padding.
    fn row<'r, T>(&self, y: usize, rows: &mut impl Iterator<Item = &'r [T]>) -> Option<&'r [T]> {
        if y < self.place.at.1 {
            return None;
        }
        rows.next()
    }
}
