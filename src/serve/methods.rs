//! The methods that there are: a label of metrics may not be what a client makes up.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::api;
use crate::error::{Error, Result};

/// What a call is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of framecache.v1.
    Own,
    /// grpc.health.v1: always let in.
    Health,
    /// Never counted against the calls served at once.
    Reflection,
    Unknown,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    pub service: String,
    pub name: String,
    pub kind: Kind,
    /// Its request is a stream of messages.
    pub takes_stream: bool,
}

/// By path.
pub struct Methods {
    known: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

impl Methods {
    /// # Errors
    /// INTERNAL where the descriptors built in cannot be read.
    pub fn new() -> Result<Methods> {
        let sets: [(Kind, &[u8]); 4] = [
            (Kind::Own, api::DESCRIPTORS),
            (Kind::Health, tonic_health::pb::FILE_DESCRIPTOR_SET),
            (
                Kind::Reflection,
                tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            ),
            (
                Kind::Reflection,
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            ),
        ];
        let mut known = HashMap::new();
        for (kind, encoded) in sets {
            let set = FileDescriptorSet::decode(encoded)
                .map_err(|e| Error::internal("could not read the descriptors").caused_by(e))?;
            known.extend(of(&set, kind).map(|m| (format!("/{}/{}", m.service, m.name), m.into())));
        }
        let unknown = Method {
            service: "unknown".to_owned(),
            name: "unknown".to_owned(),
            kind: Kind::Unknown,
            takes_stream: false,
        };
        Ok(Methods {
            known,
            unknown: Arc::new(unknown),
        })
    }

    /// Those that are known.
    pub fn all(&self) -> impl Iterator<Item = &Method> {
        self.known.values().map(|method| &**method)
    }

    pub fn at(&self, path: &str) -> Arc<Method> {
        self.known.get(path).unwrap_or(&self.unknown).clone()
    }
}

fn of(set: &FileDescriptorSet, kind: Kind) -> impl Iterator<Item = Method> {
    let services = set
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file, service)));
    services.flat_map(move |(file, service)| {
        service.method.iter().map(move |method| Method {
            service: format!("{}.{}", file.package(), service.name()),
            name: method.name().to_owned(),
            kind,
            takes_stream: method.client_streaming(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_known_by_its_path_and_nothing_else_is() {
        let methods = Methods::new().unwrap();
        let get = methods.at("/framecache.v1.FrameService/GetFrames");
        assert_eq!(
            (get.service.as_str(), get.name.as_str(), get.kind),
            ("framecache.v1.FrameService", "GetFrames", Kind::Own)
        );
        assert!(!get.takes_stream);
        let put = methods.at("/framecache.v1.FrameService/PutFrames");
        assert!(put.takes_stream);
        let kind = |path| methods.at(path).kind;
        assert_eq!(kind("/grpc.health.v1.Health/Watch"), Kind::Health);
        let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
        assert_eq!(kind(reflection), Kind::Reflection);
        assert_eq!(
            kind("/framecache.v1.FrameService/Timeline-7"),
            Kind::Unknown
        );
        assert_eq!(kind(""), Kind::Unknown);
    }
}
