//! Messages as prost writes them, each into a buffer of its size: one that grows as it is filled
//! is copied on the way, and ends up to twice as large as a frame.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{self, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

/// The codec of all methods; build.rs names it.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Codec(PhantomData)
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Whole<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Whole<T> {
        Whole(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstCodec::<T, U>::default().decoder()
    }
}

/// Makes room for a message before it writes it.
#[derive(Debug)]
pub struct Whole<T>(PhantomData<T>);

impl<T: Message> Encoder for Whole<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message
            .encode(buffer)
            .map_err(|e| Status::internal(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::stream;
    use http_body::Body;
    use tonic::codec::{Codec as _, EncodeBody, SingleMessageCompressionOverride};

    use super::*;
    use crate::api::v1;

    #[tokio::test]
    async fn the_buffer_of_a_message_is_hardly_larger_than_the_message() {
        let message = v1::FrameData {
            payload: Some(v1::frame_data::Payload::Base64("A".repeat(100_000))),
            total: 100_000,
            last: true,
            ..v1::FrameData::default()
        };
        let mut codec = Codec::<v1::FrameData, v1::FrameData>::default();
        let compression = SingleMessageCompressionOverride::default();
        let messages = stream::iter([Ok(message)]);
        let body = EncodeBody::new_server(codec.encoder(), messages, None, compression, None);
        let mut body = Box::pin(body);
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        let data = frame.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert!(data.len() > 100_000);
        assert!(data.try_into_mut().unwrap().capacity() < 101_000);
    }
}
