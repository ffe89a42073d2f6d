use super::failure::kind_of_cause;
use super::foreign::is_foreign;
use super::{Kind, Lazy};
use crate::aws::Endpoint;

#[test]
fn what_is_no_xml_or_a_page_is_foreign_and_an_empty_body_is_not() {
    for body in [
        "<!DOCTYPE html>",
        " \n<HTML lang=en>",
        "404 page not found",
        "{\"error\":1}",
    ] {
        assert!(is_foreign(body.as_bytes()), "{body}");
    }
    for body in [
        "",
        "  ",
        "<?xml version='1.0'?><Error/>",
        "<ListBucketResult>",
        "<",
    ] {
        assert!(!is_foreign(body.as_bytes()), "{body}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_known_however_deep_it_is_held() {
    use std::io::{Error, ErrorKind};
    let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let held = Error::other(Error::new(ErrorKind::InvalidData, refused));
    assert_eq!(kind_of_cause(&held), Some(Kind::Untrusted));
    let other = Error::other(Error::new(ErrorKind::InvalidData, "reset"));
    assert_eq!(kind_of_cause(&other), None);
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_refused_rather_than_left_out() {
    let temp = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = temp.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mangled = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let files = [
        temp.path().join("none"),
        file("empty", ""),
        file("text", "no certificate"),
        file("mangled", mangled),
    ];
    for path in files {
        let endpoint = Endpoint {
            ca_bundle: Some(path.clone()),
            ..Endpoint::default()
        };
        let lazy = Lazy::with_credentials(endpoint, "user", "secret");
        let failure = lazy.client().await.err().unwrap();
        assert_eq!(failure.kind, Kind::Bundle, "{}", path.display());
    }
}
