//! Messages as JSON: ProtoJSON with the field names of the .proto files, `seq` for `sequence`, and 64-bit numbers as
//! numbers, so that facts read as the command line prints them. Any ProtoJSON parser takes it: they accept both forms.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use prost_types::{DescriptorProto, FileDescriptorSet};
use serde_json::Value;

use crate::api::DESCRIPTORS;
use crate::error::{Error, Result};

/// Of framecache.v1, and of what its statuses hold.
static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| pool().ok());

/// A message of framecache.v1 by this name as JSON.
///
/// # Errors
/// INTERNAL for a name that is none.
pub fn to_json<T: Message>(name: &str, message: &T) -> Result<Value> {
    let failed = |e| Error::internal("could not write a message as JSON").caused_by(e);
    let dynamic = DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice());
    let dynamic = dynamic.map_err(|e| failed(e.to_string()))?;
    // What has no presence is there as its default: a count of 0, an empty list.
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let json = dynamic.serialize_with_options(serde_json::value::Serializer, &options);
    json.map_err(|e| failed(e.to_string()))
}

/// The message of that name that the text is the JSON of.
///
/// # Errors
/// FIELD_INVALID in `body`, with the place in the text.
pub fn from_json<T: Message + Default>(name: &str, text: &[u8]) -> Result<T> {
    let descriptor = descriptor(name)?;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let options = DeserializeOptions::new();
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options);
    let message = message.and_then(|message| reader.end().map(|()| message));
    let message = message.map_err(|e| {
        let (line, column) = (e.line(), e.column());
        let message = format!("the body is no JSON of {name}: line={line} column={column}");
        Error::field(message)
            .hint("its fields are those of the .proto files; /openapi.json has them")
            .in_field("body")
            .caused_by(e)
    })?;
    let decoded = message.transcode_to();
    decoded.map_err(|e| Error::internal("could not read a message").caused_by(e))
}

/// The names that the fields of a message have in JSON.
///
/// # Errors
/// INTERNAL for a name that is none.
pub fn names(name: &str) -> Result<Vec<String>> {
    let fields = descriptor(name)?;
    Ok(fields
        .fields()
        .map(|field| field.json_name().to_owned())
        .collect())
}

fn descriptor(name: &str) -> Result<MessageDescriptor> {
    let pool = POOL.as_ref();
    let found = pool.and_then(|pool| pool.get_message_by_name(&format!("framecache.v1.{name}")));
    found.ok_or_else(|| Error::internal(format!("there is no such message: name={name}")))
}

fn pool() -> std::result::Result<DescriptorPool, Box<dyn std::error::Error>> {
    let mut set = FileDescriptorSet::decode(DESCRIPTORS)?;
    for file in &mut set.file {
        if file.package() == "framecache.v1" {
            file.message_type.iter_mut().for_each(name_fields);
        }
    }
    let mut pool = DescriptorPool::from_file_descriptor_set(set)?;
    // Details of statuses: messages name them only by their type.
    let google = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    let unknown = google.file.into_iter().filter(|file| {
        let first = file.message_type.first().map(|message| message.name());
        let name = format!("{}.{}", file.package(), first.unwrap_or_default());
        pool.get_message_by_name(&name).is_none()
    });
    pool.add_file_descriptor_protos(unknown.collect::<Vec<_>>())?;
    Ok(pool)
}

fn name_fields(message: &mut DescriptorProto) {
    for field in &mut message.field {
        let name = match field.name() {
            "sequence" => "seq",
            name => name,
        };
        field.json_name = Some(name.to_owned());
    }
    message.nested_type.iter_mut().for_each(name_fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::rpc_status;
    use crate::api::v1;

    #[test]
    fn a_message_comes_back_from_its_json_and_unknown_facts_are_absent() {
        let facts = v1::Facts {
            sequence: 7,
            pts: Some(1 << 60),
            timestamp: Some(0.1),
            ..v1::Facts::default()
        };
        let json = to_json("Facts", &facts).unwrap();
        let expected = serde_json::json!({"seq": 7, "pts": 1_u64 << 60, "timestamp": 0.1});
        assert_eq!(json, expected);
        let back: v1::Facts = from_json("Facts", json.to_string().as_bytes()).unwrap();
        assert_eq!(back, facts);
        let list = to_json("ListFramesResponse", &v1::ListFramesResponse::default()).unwrap();
        assert_eq!(list["frames"], serde_json::json!([]));
    }

    #[test]
    fn a_status_has_its_details_in_json_too() {
        let error = Error::field("fps must be above 0")
            .hint("give 2")
            .in_field("fps");
        let result = v1::ChunkStatus {
            error: Some(rpc_status(&error)),
            ..v1::ChunkStatus::default()
        };
        let json = to_json("ChunkStatus", &result).unwrap();
        assert_eq!(json["error"]["details"][0]["reason"], "FIELD_INVALID");
        assert_eq!(json["error"]["details"][0]["metadata"]["hint"], "give 2");
    }

    #[test]
    fn text_that_is_no_such_message_is_refused_by_its_place() {
        for wrong in [
            "",
            "[]",
            "{\"fps\": 1}",
            "{\"timeline\": 1}",
            "{} x",
            "{\"timeline\"",
        ] {
            let error =
                from_json::<v1::ExtractFramesRequest>("ExtractFramesRequest", wrong.as_bytes());
            assert_eq!(error.unwrap_err().field_path(), Some("body"), "{wrong}");
        }
    }
}
