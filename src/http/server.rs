//! What the server is, what a source is, and the document of all addresses.

use bytes::Bytes;

use crate::api::scope::{Scope, only_reads};
use crate::api::v1;
use crate::cache::sealed::sha256_hex;
use crate::error::Error;
use crate::http::Asked;
use crate::http::sent::{Answer, Sent, message};

/// OpenAPI 3.1, written by hand; `tests/test_http.py` holds every answer against it.
const OPENAPI: &[u8] = include_bytes!("openapi.json");

/// `GET /openapi.json`
pub async fn openapi(asked: Asked) -> Answer {
    asked.only(&[])?;
    let sent = Sent {
        bytes: Bytes::from_static(OPENAPI),
        kind: "application/json",
        etag: sha256_hex(&[OPENAPI]),
        immutable: false,
        hold: None,
    };
    sent.answer(&asked)
}

/// `GET /v1/server`
pub async fn server(asked: Asked) -> Answer {
    asked.only(&[])?;
    let request = v1::GetServerInfoRequest::default();
    let answer = asked.api.get_server_info(request).await?;
    message(&asked, "GetServerInfoResponse", &answer)
}

/// `GET /v1/probe`: it opens a source, which a token that only reads may not.
pub async fn probe(asked: Asked) -> Answer {
    asked.only(&["uri", "init_uri", "stream"])?;
    if asked.scope == Scope::Read {
        return Err(only_reads("probe").into());
    }
    let uri = asked.text("uri").ok_or_else(|| {
        Error::field("no source is named")
            .hint("give ?uri= with a whole path, or s3://bucket/key")
            .in_field("uri")
    })?;
    let request = v1::ProbeMediaRequest {
        uri: uri.to_owned(),
        init_uri: asked.text("init_uri").unwrap_or_default().to_owned(),
        stream: asked.number("stream")?,
    };
    let answer = asked.api.probe_media(request).await?;
    message(&asked, "ProbeMediaResponse", &answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json::names;
    use serde_json::Value;

    #[test]
    fn the_document_has_each_message_with_the_fields_that_it_has() {
        let document: Value = serde_json::from_slice(OPENAPI).unwrap();
        let mut held = 0;
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let Ok(mut fields) = names(name) else {
                continue;
            };
            let told = schema["properties"].as_object().unwrap().keys();
            let mut told: Vec<String> = told.cloned().collect();
            fields.sort();
            told.sort();
            assert_eq!(told, fields, "{name}");
            held += 1;
        }
        assert!(held > 20);
    }
}
