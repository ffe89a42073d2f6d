//! libavcodec's parsers: what a picture's header says of when it is shown, without decoding.

use std::ptr;

use ffmpeg_next::ffi;

use super::{Packet, StreamInfo};
use crate::error::{Error, Result};

/// A parser of one stream's packets, each of which holds whole pictures.
pub struct Parser {
    parser: *mut ffi::AVCodecParserContext,
    context: *mut ffi::AVCodecContext,
}

// SAFETY: both contexts may be used from any thread, one at a time; they are only used through `&mut self`.
unsafe impl Send for Parser {}

/// What a packet's (first) picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureHeader {
    /// Shown between the pictures that it refers to (the type B).
    pub bidirectional: bool,
    /// H.264's and HEVC's picture order count; of no meaning elsewhere.
    pub order_count: i32,
}

impl Parser {
    /// None for codecs that libavcodec has no parser of.
    ///
    /// # Errors
    /// INTERNAL where there is no memory.
    pub fn open(stream: &StreamInfo) -> Result<Option<Self>> {
        // SAFETY: what is allocated is owned by `opened` and freed on drop, either of them null or not;
        // the stream's parameters are copied.
        unsafe {
            let opened = Parser {
                parser: ffi::av_parser_init(super::raw::codec_id(stream.parameters())),
                context: ffi::avcodec_alloc_context3(ptr::null()),
            };
            if opened.parser.is_null() {
                return Ok(None);
            }
            if opened.context.is_null()
                || ffi::avcodec_parameters_to_context(opened.context, stream.parameters()) < 0
            {
                return Err(Error::internal("could not allocate a parser"));
            }
            (*opened.parser).flags |= ffi::PARSER_FLAG_COMPLETE_FRAMES;
            Ok(Some(opened))
        }
    }

    /// Packets must come in decode order.
    pub fn read(&mut self, packet: &Packet) -> PictureHeader {
        let raw = packet.as_ptr();
        let (mut data, mut size) = (ptr::null_mut(), 0);
        // SAFETY: both contexts are valid; a packet's data has the padding that parsers read into. What
        // is given out points into that data and is not looked at.
        unsafe {
            (*self.parser).pict_type = 0;
            ffi::av_parser_parse2(
                self.parser,
                self.context,
                &mut data,
                &mut size,
                (*raw).data,
                (*raw).size,
                ffi::AV_NOPTS_VALUE,
                ffi::AV_NOPTS_VALUE,
                -1,
            );
            PictureHeader {
                bidirectional: (*self.parser).pict_type
                    == ffi::AVPictureType::AV_PICTURE_TYPE_B as i32,
                order_count: (*self.parser).output_picture_number,
            }
        }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: allocated in `open`, freed once; both functions take null.
        unsafe {
            ffi::av_parser_close(self.parser);
            ffi::avcodec_free_context(&mut self.context);
        }
    }
}
