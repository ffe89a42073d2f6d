//! The viewer: pages for people (`viewer/`). They hold no data, which their scripts ask for by the other addresses.

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

use crate::cache::sealed::sha256_hex;
use crate::http::sent::{Answer, Sent};
use crate::http::{Asked, Problem};

/// Scripts, styles and pictures of this server alone, in no frame of another page, and no text is ever taken for
/// markup (Trusted Types).
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

type File = (&'static str, &'static str, &'static [u8]);

/// Of `viewer/`: a file by its name, with its kind.
macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$(($name, $kind, include_bytes!(concat!("../../viewer/", $name)) as &[u8])),*]
    };
}

const PAGE: &[u8] = include_bytes!("../../viewer/index.html");
const FILES: &[File] = &files![
    "api.js" SCRIPT,
    "bar.js" SCRIPT,
    "base.css" STYLE,
    "copy.js" SCRIPT,
    "dom.js" SCRIPT,
    "facts.js" SCRIPT,
    "film.js" SCRIPT,
    "goto.js" SCRIPT,
    "icon.svg" SVG,
    "keys.js" SCRIPT,
    "list.js" SCRIPT,
    "main.js" SCRIPT,
    "marks.js" SCRIPT,
    "overlays.js" SCRIPT,
    "places.js" SCRIPT,
    "plot.js" SCRIPT,
    "progress.js" SCRIPT,
    "say.js" SCRIPT,
    "scroll.js" SCRIPT,
    "series.js" SCRIPT,
    "session.js" SCRIPT,
    "similar.js" SCRIPT,
    "stage.js" SCRIPT,
    "strips.js" SCRIPT,
    "theme.js" SCRIPT,
    "tiles.js" SCRIPT,
    "time.js" SCRIPT,
    "view.css" STYLE,
    "view.js" SCRIPT,
];

/// `/` and `/view/{timeline}`: one page, whose script tells them apart.
pub async fn page(asked: Asked) -> Answer {
    sent(&asked, HTML, PAGE)
}

/// `/viewer/{file}`
pub async fn file(asked: Asked) -> Answer {
    let name = asked.part("file");
    let found = FILES.iter().find(|(known, ..)| *known == name);
    let (_, kind, bytes) = found.ok_or_else(Problem::nowhere)?;
    sent(&asked, kind, bytes)
}

fn sent(asked: &Asked, kind: &'static str, bytes: &'static [u8]) -> Answer {
    let sent = Sent {
        etag: sha256_hex(&[bytes]),
        bytes: Bytes::from_static(bytes),
        kind,
        immutable: false,
        hold: None,
    };
    let mut answer = sent.answer(asked)?;
    let policy = HeaderValue::from_static(POLICY);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_viewer_is_served_and_none_is_asked_of_another_host() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/viewer");
        let there = std::fs::read_dir(folder).unwrap();
        let mut there: Vec<_> = there
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "index.html")
            .collect();
        let mut known: Vec<_> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        there.sort();
        known.sort();
        assert_eq!(known, there);
        for (name, _, bytes) in FILES.iter().chain(&[("index.html", HTML, PAGE)]) {
            let text = std::str::from_utf8(bytes)
                .unwrap()
                .replace("http://www.w3.org/", "");
            for other in [
                "http://",
                "https://",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(other), "{name}: {other}");
            }
        }
    }
}
