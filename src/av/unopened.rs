//! What a file is that libavformat did not open: damaged, or healthy and of a format that we do not read.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::ffi;

use super::failure;
use crate::error::{Error, Reason};

/// First bytes that tell what a file is.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// Why the file that begins with `head` was not opened, which failed with `code`. `formats` are read.
pub(super) fn not_opened(code: c_int, head: Vec<u8>, formats: &CStr) -> Error {
    let head = Head::of(head);
    if let Some(image) = head.image() {
        return still_image(image);
    }
    match head.format() {
        Some(format) if !format.is_among(formats) => format.refused(),
        _ => failure(
            Reason::MediaCorrupt,
            "this is no media file, or its header is damaged or cut off",
            code,
        )
        .hint("check that the file is complete (an MP4 needs its moov box) and plays elsewhere"),
    }
}

/// A file's first bytes, with the zeros behind them that libavformat's probes ask for.
struct Head {
    padded: Vec<u8>,
    bytes: usize,
}

/// One of all the formats that libavformat knows.
struct Format(*const ffi::AVInputFormat);

impl Head {
    fn of(mut head: Vec<u8>) -> Self {
        let bytes = head.len().min(HEAD_BYTES);
        head.truncate(bytes);
        head.resize(bytes + ffi::AVPROBE_PADDING_SIZE as usize, 0);
        Head {
            padded: head,
            bytes,
        }
    }

    /// What these bytes are by libavformat's probes, but for its guesses.
    fn format(&self) -> Option<Format> {
        let data = ffi::AVProbeData {
            filename: c"".as_ptr(),
            buf: self.padded.as_ptr().cast_mut(),
            buf_size: c_int::try_from(self.bytes).ok()?,
            mime_type: ptr::null(),
        };
        let mut score = 0;
        // SAFETY: probes read the buffer, which is padded as they ask, and write nothing; the formats
        // that they are of are static.
        let format = unsafe { ffi::av_probe_input_format3(&data, 1, &mut score) };
        // AVPROBE_SCORE_RETRY: more bytes might tell otherwise.
        (!format.is_null() && score > 25).then_some(Format(format))
    }

    /// The images that are met most, which not every libavformat can name; HEIF (ISO/IEC 23008-12,
    /// 10.2) it takes for an MP4.
    fn image(&self) -> Option<&'static str> {
        match &self.padded[..] {
            [0xff, 0xd8, 0xff, ..] => Some("JPEG"),
            [0x89, b'P', b'N', b'G', ..] => Some("PNG"),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some("WebP"),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("TIFF"),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.first_chunk()? {
                b"heic" | b"heix" | b"mif1" | b"avif" => Some("HEIF"),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Format {
    fn is_among(&self, formats: &CStr) -> bool {
        // SAFETY: the format is static, and so is its name; both are C strings.
        unsafe { ffi::av_match_list((*self.0).name, formats.as_ptr(), b',' as _) > 0 }
    }

    fn refused(&self) -> Error {
        // SAFETY: the format is static; its names are C strings.
        let (name, long_name) = unsafe { (text((*self.0).name), text((*self.0).long_name)) };
        match name.strip_suffix("_pipe") {
            Some(image) => still_image(&image_name(image)),
            None => Error::new(
                Reason::MediaUnsupported,
                format!("this is no format of video that is read, format={name} ({long_name})"),
            )
            .hint("convert it first, e.g. ffmpeg -i INPUT OUTPUT.mkv"),
        }
    }
}

/// # Safety
/// `name` is null or a static C string.
unsafe fn text(name: *const std::ffi::c_char) -> Cow<'static, str> {
    if name.is_null() {
        return "unnamed".into();
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(name) }.to_string_lossy()
}

fn image_name(format: &str) -> String {
    match format {
        "j2k" => "JPEG 2000".to_owned(),
        "jpegls" => "JPEG-LS".to_owned(),
        "jpegxl" => "JPEG XL".to_owned(),
        other => other.to_uppercase(),
    }
}

fn still_image(kind: &str) -> Error {
    Error::new(
        Reason::MediaUnsupported,
        format!("this is a still image, not a video, format={kind}"),
    )
    .hint("give the video, or make one of images first, e.g. ffmpeg -i IMAGE OUTPUT.mkv")
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &CStr = c"mov,mp4,matroska,gif";

    fn told(head: &[u8]) -> (Reason, String) {
        let error = not_opened(ffi::AVERROR(ffi::EINVAL), head.to_vec(), READ);
        (error.reason(), error.message().to_owned())
    }

    #[test]
    fn a_still_image_is_named_and_not_called_damaged() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0";
        let (reason, message) = told(png);
        assert_eq!(reason, Reason::MediaUnsupported);
        assert!(
            message.contains("still image") && message.contains("PNG"),
            "{message}"
        );
        let (reason, message) = told(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
        assert_eq!(reason, Reason::MediaUnsupported);
        assert!(message.contains("HEIF"), "{message}");
    }

    #[test]
    fn noise_text_and_a_damaged_file_of_a_format_that_is_read_are_corrupt() {
        let noise: Vec<u8> = (0u32..4096)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for head in [
            &noise[..],
            b"<html>not found</html>\n",
            b"",
            b"\0\0\0\x18ftypisom\0\0\0\0isom",
        ] {
            assert_eq!(told(head).0, Reason::MediaCorrupt, "{head:?}");
        }
    }
}
