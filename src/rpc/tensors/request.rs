//! What a request asks for, checked.

use crate::api::convert::{choice, sampling, window};
use crate::api::selection::{on_miss, selection};
use crate::api::v1;
use crate::error::{Error, Reason, Result};
use crate::frames::{OnMiss, Selection};
use crate::pixel::resample::Filter;
use crate::tensor::{Channels, Datatype, Fit, Layout, Normalize, Recipe, TensorSpec};
use crate::timeline::plan::{Sampling, Window};

const DEFAULT_BATCH: u32 = 16;
/// So that a header stays below 3 MiB, whatever it has to say of each frame.
const MAX_BATCH: u32 = 4096;
const DEFAULT_PAD: u32 = 114;

/// Which frames, and where from.
pub enum Wanted {
    Cached(Selection, OnMiss),
    Source(Selection),
    Sampled(Sampling, Window),
}

/// Takes the selection from the request.
///
/// # Errors
/// FIELD_INVALID unless frames are named in exactly one way that the origin has.
pub fn wanted_of(request: &mut v1::GetTensorsRequest) -> Result<Wanted> {
    let from_source = match choice("origin", request.origin)? {
        v1::Origin::Unspecified | v1::Origin::Cache => false,
        v1::Origin::Source => true,
    };
    let on_miss = on_miss(request.on_miss)?;
    let Some(asked) = &request.sampling else {
        if request.window.is_some() {
            return Err(Error::field("a window is given, and no sampling")
                .hint("give a sampling, or the window as selection.window")
                .in_field("window"));
        }
        let selection = selection(request.selection.take())?;
        return Ok(match from_source {
            true => Wanted::Source(selection),
            false => Wanted::Cached(selection, on_miss),
        });
    };
    let refused = match (from_source, &request.selection) {
        (false, _) => Some("a sampling is given, and frames come from the cache"),
        (true, Some(_)) => Some("a sampling and a selection are given at once"),
        (true, None) => None,
    };
    if let Some(message) = refused {
        return Err(Error::field(message)
            .hint("give a selection of the profile's frames, or origin SOURCE and a sampling")
            .in_field("sampling"));
    }
    let sampling = sampling(asked).map_err(|e| e.below_field("sampling"))?;
    let sampling = sampling.ok_or_else(|| {
        Error::field("the sampling says nothing")
            .hint("give exactly one of fps, every, all, keyframes, timestamps and count")
            .in_field("sampling")
    })?;
    let given = request.window.as_ref().map(window).transpose();
    let window = given.map_err(|e| e.below_field("window"))?;
    Ok(Wanted::Sampled(sampling, window.unwrap_or_default()))
}

/// Frames of a batch.
///
/// # Errors
/// FIELD_INVALID for none, LIMIT_EXCEEDED for too many.
pub fn batch_of(request: &v1::GetTensorsRequest) -> Result<usize> {
    match request.batch.unwrap_or(DEFAULT_BATCH) {
        0 => Err(Error::field("batch must be at least 1: batch=0").in_field("batch")),
        batch if batch > MAX_BATCH => Err(Error::new(
            Reason::RequestLimit,
            format!("a batch has too many frames: batch={batch} max={MAX_BATCH}"),
        )
        .in_field("batch")),
        batch => Ok(batch as usize),
    }
}

/// # Errors
/// FIELD_INVALID and LIMIT_EXCEEDED, naming the field.
pub fn recipe_of(request: &v1::GetTensorsRequest) -> Result<Recipe> {
    let pad = request.pad_value.unwrap_or(DEFAULT_PAD);
    let pad_value = u8::try_from(pad).map_err(|_| {
        Error::field(format!("pad_value must be 0 to 255: pad_value={pad}")).in_field("pad_value")
    })?;
    Recipe::new(TensorSpec {
        datatype: match choice("datatype", request.datatype)? {
            v1::Datatype::Unspecified | v1::Datatype::Uint8 => Datatype::Uint8,
            v1::Datatype::Fp16 => Datatype::Fp16,
            v1::Datatype::Fp32 => Datatype::Fp32,
        },
        layout: match choice("layout", request.layout)? {
            v1::Layout::Unspecified | v1::Layout::Nhwc => Layout::Nhwc,
            v1::Layout::Nchw => Layout::Nchw,
        },
        channels: match choice("channels", request.channels)? {
            v1::Channels::Unspecified | v1::Channels::Rgb => Channels::Rgb,
            v1::Channels::Bgr => Channels::Bgr,
            v1::Channels::Gray => Channels::Gray,
        },
        size: size_of(request)?,
        fit: match choice("fit", request.fit)? {
            v1::Fit::Unspecified | v1::Fit::Stretch => Fit::Stretch,
            v1::Fit::Letterbox => Fit::Letterbox,
            v1::Fit::Crop => Fit::Crop,
        },
        filter: match choice("filter", request.filter)? {
            v1::Filter::Unspecified | v1::Filter::Bilinear => Filter::Bilinear,
            v1::Filter::Bicubic => Filter::Bicubic,
        },
        pad_value,
        normalize: request.normalize.as_ref().map(normalize_of),
    })
}

fn size_of(request: &v1::GetTensorsRequest) -> Result<Option<(u32, u32)>> {
    let missing = match (request.width, request.height) {
        (None, None) => return Ok(None),
        (Some(width), Some(height)) => return Ok(Some((width, height))),
        (Some(_), None) => "height",
        (None, Some(_)) => "width",
    };
    Err(
        Error::field(format!("width and height go together: {missing} is absent"))
            .hint("give both, or neither to keep the frames' own size")
            .in_field(missing),
    )
}

fn normalize_of(asked: &v1::Normalize) -> Normalize {
    let or = |given: &[f64], default: f64| match given {
        [] => vec![default],
        given => given.to_vec(),
    };
    Normalize {
        scale: asked.scale.unwrap_or(1.0),
        mean: or(&asked.mean, 0.0),
        std: or(&asked.std, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> v1::GetTensorsRequest {
        v1::GetTensorsRequest {
            selection: Some(v1::Selection {
                all: true,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let recipe = recipe_of(&all()).unwrap();
        let expected = TensorSpec {
            datatype: Datatype::Uint8,
            layout: Layout::Nhwc,
            channels: Channels::Rgb,
            size: None,
            fit: Fit::Stretch,
            filter: Filter::Bilinear,
            pad_value: 114,
            normalize: None,
        };
        assert_eq!(recipe.spec(), &expected);
        assert_eq!(batch_of(&all()).unwrap(), 16);
        let normalized = recipe_of(&v1::GetTensorsRequest {
            datatype: v1::Datatype::Fp32 as i32,
            normalize: Some(v1::Normalize::default()),
            ..all()
        });
        let identity = Normalize {
            scale: 1.0,
            mean: vec![0.0],
            std: vec![1.0],
        };
        assert_eq!(normalized.unwrap().spec().normalize, Some(identity));
        assert!(matches!(
            wanted_of(&mut all()),
            Ok(Wanted::Cached(_, OnMiss::Extract))
        ));
    }

    fn field(change: impl Fn(&mut v1::GetTensorsRequest)) -> String {
        let mut request = all();
        change(&mut request);
        let checked = recipe_of(&request)
            .and_then(|_| batch_of(&request))
            .and_then(|_| wanted_of(&mut request));
        let error = checked.err().unwrap();
        error.field_path().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_bad_request_names_its_field() {
        assert_eq!(field(|r| r.datatype = 9), "datatype");
        assert_eq!(field(|r| r.layout = 9), "layout");
        assert_eq!(field(|r| r.channels = 9), "channels");
        assert_eq!(field(|r| r.fit = 9), "fit");
        assert_eq!(field(|r| r.filter = 9), "filter");
        assert_eq!(field(|r| r.origin = 9), "origin");
        assert_eq!(field(|r| r.on_miss = 9), "on_miss");
        assert_eq!(field(|r| r.width = Some(8)), "height");
        assert_eq!(field(|r| r.height = Some(8)), "width");
        assert_eq!(field(|r| r.pad_value = Some(256)), "pad_value");
        assert_eq!(field(|r| r.batch = Some(0)), "batch");
        assert_eq!(field(|r| r.batch = Some(4097)), "batch");
        assert_eq!(
            field(|r| r.normalize = Some(v1::Normalize::default())),
            "normalize"
        );
        assert_eq!(field(|r| r.selection = None), "selection");
        assert_eq!(field(|r| r.window = Some(v1::Window::default())), "window");
    }

    #[test]
    fn a_sampling_stands_in_place_of_a_selection_where_frames_come_from_the_source() {
        let every = |r: &mut v1::GetTensorsRequest| {
            r.sampling = Some(v1::Sampling {
                every: Some(2),
                ..Default::default()
            });
        };
        let from_source = |r: &mut v1::GetTensorsRequest| {
            r.selection = None;
            r.origin = v1::Origin::Source as i32;
        };
        assert_eq!(field(every), "sampling");
        let both = |r: &mut v1::GetTensorsRequest| {
            r.origin = v1::Origin::Source as i32;
            every(r);
        };
        assert_eq!(field(both), "sampling");
        let nothing = |r: &mut v1::GetTensorsRequest| {
            from_source(r);
            r.sampling = Some(v1::Sampling::default());
        };
        assert_eq!(field(nothing), "sampling");
        let mut request = all();
        from_source(&mut request);
        every(&mut request);
        let wanted = wanted_of(&mut request);
        assert!(matches!(wanted, Ok(Wanted::Sampled(Sampling::Every(2), _))));
    }
}
