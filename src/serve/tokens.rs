//! Bearer tokens: who may call, and for what. Only their sha256 is known here, and nothing of them is logged.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::api::scope::Scope;
use crate::error::{Error, Result};
use crate::hex::unhex;
use crate::serve::reload::Reloaded;
use crate::small_file::read_small;

/// A larger file is none of tokens.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// A line's word that narrows its token.
const SCOPE: &str = "scope=";

type Sum = [u8; 32];

/// The tokens of a file, read again when it changes; or one that only this process knows.
pub struct Tokens {
    path: Option<PathBuf>,
    known: RwLock<Vec<Known>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    sum: Sum,
    scope: Scope,
}

impl Tokens {
    /// # Errors
    /// FIELD_INVALID for a file that cannot be read, holds anything but sha256 sums, or none.
    pub fn read(path: &Path) -> Result<Tokens> {
        Ok(Tokens {
            path: Some(path.to_owned()),
            known: RwLock::new(read(path)?),
        })
    }

    /// This one alone, for everything.
    pub fn one(token: &str) -> Tokens {
        let known = Known {
            sum: Sha256::digest(token).into(),
            scope: Scope::All,
        };
        Tokens {
            path: None,
            known: RwLock::new(vec![known]),
        }
    }

    /// How far the token goes that the call brings; none where it brings none of these.
    pub fn scope_of(&self, headers: &HeaderMap) -> Option<Scope> {
        let given = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        self.scope_of_token(given.and_then(bearer)?)
    }

    /// How far this token goes. Takes as long for a wrong one as for a right one.
    pub fn scope_of_token(&self, token: &[u8]) -> Option<Scope> {
        let sum: Sum = Sha256::digest(token).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = |one: &Known| same(&one.sum, &sum).then_some(one.scope);
        known
            .iter()
            .fold(None, |so_far, one| so_far.max(found(one)))
    }
}

impl Reloaded for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn files(&self) -> Vec<PathBuf> {
        self.path.iter().cloned().collect()
    }

    fn reload(&self) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let known = read(path)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }
}

/// RFC 6750: the scheme in any case, one token.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Whether two secrets are the same, without telling by its time where they differ.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    same(&Sha256::digest(one).into(), &Sha256::digest(other).into())
}

/// Looks at every byte, whichever differs.
fn same(one: &Sum, other: &Sum) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

fn read(path: &Path) -> Result<Vec<Known>> {
    let shown = path.display();
    let wrong = |why: String| {
        Error::field(format!("the tokens cannot be used: {why}, path={shown}")).hint(
            "write a line for each: the token's sha256 in hex, a name if you like, and scope=read \
             where it may only read",
        )
    };
    let bytes = read_small(path, MAX_FILE_BYTES).map_err(|unread| unread.told(wrong))?;
    let text =
        String::from_utf8(bytes).map_err(|e| wrong("it is no text".to_owned()).caused_by(e))?;
    let known = parse(&text).map_err(wrong)?;
    if known.is_empty() {
        return Err(wrong("it holds none".to_owned()));
    }
    Ok(known)
}

/// The tokens, or what is wrong with which line.
fn parse(text: &str) -> Result<Vec<Known>, String> {
    let mut all: Vec<Known> = Vec::new();
    for (n, line) in (1..).zip(text.lines()) {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let Some(known) = parse_line(line).map_err(|why| format!("line {n} {why}"))? else {
            continue;
        };
        if all
            .iter()
            .any(|k| k.sum == known.sum && k.scope != known.scope)
        {
            return Err(format!(
                "line {n} has a token of another line, with another scope"
            ));
        }
        all.push(known);
    }
    Ok(all)
}

/// A sum, and behind it the token's name, for whoever reads the file (`sha256sum` writes `-`), and its scope.
fn parse_line(line: &str) -> Result<Option<Known>, &'static str> {
    let mut words = line.split_whitespace();
    let Some(sum) = words.next() else {
        return Ok(None);
    };
    let sum = unhex(sum).ok_or("is no sha256")?;
    let mut scope = Scope::All;
    for named in words.filter_map(|word| word.strip_prefix(SCOPE)) {
        scope = match named {
            "read" => Scope::Read,
            "all" => Scope::All,
            _ => return Err("has a scope that is neither read nor all"),
        };
    }
    Ok(Some(Known { sum, scope }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::hex;

    fn line(token: &str, rest: &str) -> String {
        format!("{}{rest}\n", hex(&Sha256::digest(token)))
    }

    fn scope(tokens: &Tokens, value: &str) -> Option<Scope> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        tokens.scope_of(&headers)
    }

    fn lets_in(tokens: &Tokens, value: &str) -> bool {
        scope(tokens, value).is_some()
    }

    fn tokens(text: &str) -> Result<Tokens> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        Tokens::read(&path)
    }

    #[test]
    fn any_token_of_the_file_is_let_in_and_no_other() {
        let text = format!(
            "# who may call\n\n{}{}",
            line("one", "  the pipeline"),
            line("two", "  -").to_uppercase()
        );
        let tokens = tokens(&text).unwrap();
        assert!(lets_in(&tokens, "Bearer one") && lets_in(&tokens, "bearer two"));
        for wrong in ["Bearer three", "Bearer ", "Bearer", "Basic one", "one", ""] {
            assert!(!lets_in(&tokens, wrong), "{wrong}");
        }
        assert_eq!(tokens.scope_of(&HeaderMap::new()), None);
    }

    #[test]
    fn sums_that_differ_in_a_single_bit_are_not_the_same() {
        let sum: Sum = Sha256::digest("one").into();
        assert!(same(&sum, &sum.clone()));
        for bit in 0..256 {
            let mut other = sum;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&sum, &other), "bit {bit}");
        }
    }

    #[test]
    fn a_token_does_everything_unless_its_line_says_that_it_only_reads() {
        let text = [
            line("old", ""),
            line("named", "  read"),
            line("reader", "  a dashboard scope=read # of the team"),
            line("unnamed", " scope=read"),
            line("writer", "  the pipeline scope=all"),
        ];
        let tokens = tokens(&text.concat()).unwrap();
        for all in ["old", "named", "writer"] {
            assert_eq!(
                scope(&tokens, &format!("Bearer {all}")),
                Some(Scope::All),
                "{all}"
            );
        }
        for read in ["reader", "unnamed"] {
            assert_eq!(
                scope(&tokens, &format!("Bearer {read}")),
                Some(Scope::Read),
                "{read}"
            );
        }
    }

    #[test]
    fn a_file_that_is_none_of_tokens_is_refused_without_its_content() {
        let twice = [line("a", " scope=read"), line("a", "")].concat();
        for text in [
            "",
            "# nobody\n",
            "secret\n",
            "zz",
            &line("a", "")[1..],
            &line("a", " scope=secret"),
            &twice,
        ] {
            let Err(error) = tokens(text) else {
                panic!("{text:?} was taken");
            };
            assert!(!error.message().contains("secret"), "{error}");
        }
        assert!(Tokens::read(Path::new("/no/such/file")).is_err());
    }

    #[test]
    fn a_changed_file_counts_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, line("old", "")).unwrap();
        let tokens = Tokens::read(&path).unwrap();
        std::fs::write(&path, line("new", "")).unwrap();
        tokens.reload().unwrap();
        assert!(!lets_in(&tokens, "Bearer old") && lets_in(&tokens, "Bearer new"));
        std::fs::write(&path, "broken").unwrap();
        assert!(tokens.reload().is_err());
        assert!(lets_in(&tokens, "Bearer new"));
    }
}
