//! Bearer tokens: who may call. Only their sha256 is known here, and nothing of them is logged.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use crate::hex::unhex;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A larger file is none of tokens.
const MAX_FILE_BYTES: u64 = 1 << 20;

type Sum = [u8; 32];

/// The tokens of a file, read again when it changes.
pub struct Tokens {
    path: PathBuf,
    sums: RwLock<Vec<Sum>>,
}

/// By which a change is noticed: times, size, which file it is.
type Look = (i64, i64, u64, u64);

impl Tokens {
    /// # Errors
    /// FIELD_INVALID for a file that cannot be read, holds anything but sha256 sums, or none.
    pub fn read(path: &Path) -> Result<Tokens> {
        Ok(Tokens {
            path: path.to_owned(),
            sums: RwLock::new(read(path)?),
        })
    }

    /// Whether the call brings a token of the file. Takes as long for a wrong one as for a right one.
    pub fn let_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let Some(token) = given.and_then(bearer) else {
            return false;
        };
        let sum: Sum = Sha256::digest(token).into();
        let known = self.sums.read().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .fold(false, |found, one| found | same(one, &sum))
    }

    /// Reads the file again whenever it changes, or at SIGHUP. A wrong one changes nothing. Never ends.
    pub async fn follow(&self) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut seen = look(&self.path).await;
        loop {
            let told = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                () = hung_up(&mut hangup) => true,
            };
            let now = look(&self.path).await;
            if told || now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.path) {
            Ok(sums) => {
                tracing::info!(tokens = sums.len(), "the tokens were read again");
                *self.sums.write().unwrap_or_else(PoisonError::into_inner) = sums;
            }
            Err(e) => tracing::error!("the tokens stay as they were: {e}"),
        }
    }
}

async fn hung_up(hangup: &mut Option<tokio::signal::unix::Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

async fn look(path: &Path) -> Option<Look> {
    let found = tokio::fs::metadata(path).await.ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
}

/// RFC 6750: the scheme in any case, one token.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Looks at every byte, whichever differs.
fn same(one: &Sum, other: &Sum) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

fn read(path: &Path) -> Result<Vec<Sum>> {
    let shown = path.display();
    let wrong = |why: String| {
        Error::field(format!("the tokens cannot be used: {why}, path={shown}"))
            .hint("write a line for each: the token's sha256 in hex, and a name if you like")
    };
    let size = std::fs::metadata(path).map(|found| found.len());
    if size.is_ok_and(|bytes| bytes > MAX_FILE_BYTES) {
        return Err(wrong(format!("the file is over {MAX_FILE_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| wrong(format!("it cannot be read ({})", e.kind())).caused_by(e))?;
    let sums = parse(&text).map_err(|line| wrong(format!("line {line} is no sha256")))?;
    if sums.is_empty() {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok(sums)
}

/// The sums, or the number of the line that is none.
fn parse(text: &str) -> Result<Vec<Sum>, usize> {
    let lines = text.lines().enumerate();
    let filled = lines.filter_map(|(n, line)| {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        // What follows the sum is its name, for whoever reads the file (`sha256sum` writes `-`).
        line.split_whitespace().next().map(|sum| (n + 1, sum))
    });
    filled.map(|(n, sum)| unhex(sum).ok_or(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;

    fn line(token: &str, rest: &str) -> String {
        format!("{}{rest}\n", hex(&Sha256::digest(token)))
    }

    fn lets_in(tokens: &Tokens, value: &str) -> bool {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        tokens.let_in(&headers)
    }

    #[test]
    fn any_token_of_the_file_is_let_in_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let text = format!(
            "# who may call\n\n{}{}",
            line("one", "  the pipeline"),
            line("two", "  -").to_uppercase()
        );
        std::fs::write(&path, text).unwrap();
        let tokens = Tokens::read(&path).unwrap();
        assert!(lets_in(&tokens, "Bearer one") && lets_in(&tokens, "bearer two"));
        for wrong in ["Bearer three", "Bearer ", "Bearer", "Basic one", "one", ""] {
            assert!(!lets_in(&tokens, wrong), "{wrong}");
        }
        assert!(!tokens.let_in(&HeaderMap::new()));
    }

    #[test]
    fn a_file_that_is_none_of_tokens_is_refused_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for text in ["", "# nobody\n", "secret\n", "zz", &line("a", "")[1..]] {
            std::fs::write(&path, text).unwrap();
            let Err(error) = Tokens::read(&path) else {
                panic!("{text:?} was taken");
            };
            assert!(!error.message().contains("secret"), "{error}");
        }
        assert!(Tokens::read(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_changed_file_counts_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, line("old", "")).unwrap();
        let tokens = Tokens::read(&path).unwrap();
        std::fs::write(&path, line("new", "")).unwrap();
        tokens.reload();
        assert!(!lets_in(&tokens, "Bearer old") && lets_in(&tokens, "Bearer new"));
        std::fs::write(&path, "broken").unwrap();
        tokens.reload();
        assert!(lets_in(&tokens, "Bearer new"));
    }
}
