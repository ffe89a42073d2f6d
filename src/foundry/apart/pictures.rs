//! Pictures of files that are JPEGs: one, or several in one call.

use bytes::Bytes;

use crate::cancel::Stop;
use crate::error::Result;
use crate::foundry::apart::call::Subject;
use crate::foundry::apart::{Apart, nonsense};
use crate::foundry::protocol::{Answer, Request};
use crate::pixel::RgbImage;

impl Apart {
    pub(super) fn picture(&self, jpeg: &[u8]) -> Result<RgbImage> {
        let subject = Subject::Alone(&Request::Jpeg, jpeg);
        match self.answer("jpeg", subject, &Stop::never())? {
            (Answer::Picture(width, height), data) if is_rgb((width, height), data.len()) => {
                Ok(RgbImage {
                    width,
                    height,
                    data,
                })
            }
            _ => Err(nonsense("no picture")),
        }
    }

    pub(super) fn pictures(&self, wanted: &[(Bytes, (usize, usize))]) -> Result<Vec<RgbImage>> {
        let told = wanted.iter();
        let told = told.map(|(jpeg, (width, height))| (jpeg.len(), *width, *height));
        let request = Request::JpegsAtLeast(told.collect());
        let files: Vec<&[u8]> = wanted.iter().map(|(jpeg, _)| &jpeg[..]).collect();
        let bulk = files.concat();
        let subject = Subject::Alone(&request, &bulk);
        match self.answer("jpegs", subject, &Stop::never())? {
            (Answer::Pictures(sizes), data) if sizes.len() == wanted.len() => {
                apart(&sizes, &data).ok_or_else(|| nonsense("pictures of other sizes"))
            }
            _ => Err(nonsense("no pictures")),
        }
    }
}

fn is_rgb((width, height): (usize, usize), bytes: usize) -> bool {
    let pixels = width.checked_mul(height);
    pixels.and_then(|pixels| pixels.checked_mul(3)) == Some(bytes)
}

/// Pictures that lie one behind the other, if they do.
fn apart(sizes: &[(usize, usize)], mut data: &[u8]) -> Option<Vec<RgbImage>> {
    let mut pictures = Vec::with_capacity(sizes.len());
    for &(width, height) in sizes {
        let bytes = width.checked_mul(height)?.checked_mul(3)?;
        let (own, rest) = data.split_at_checked(bytes)?;
        data = rest;
        pictures.push(RgbImage {
            width,
            height,
            data: own.to_vec(),
        });
    }
    data.is_empty().then_some(pictures)
}
