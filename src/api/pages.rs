//! Page tokens: where the next page begins, by a name or number that stays true when data is
//! added. Base64 of `kind:value`, so that a token of another method is refused, not obeyed.

use base64_simd::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

/// A token of this kind of page.
pub fn token(kind: &str, value: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode_to_string(format!("{kind}:{value}"))
}

/// What the token says; none for the first page.
///
/// # Errors
/// FIELD_INVALID in `page_token` for one that no page of this kind gave.
pub fn value(kind: &str, token: &str) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    let decoded = URL_SAFE_NO_PAD.decode_to_vec(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let value = text
        .as_deref()
        .and_then(|text| text.strip_prefix(kind)?.strip_prefix(':'));
    value.map(|value| Some(value.to_owned())).ok_or_else(wrong)
}

/// The same, of a token that holds a number.
///
/// # Errors
/// As [`value`].
pub fn number(kind: &str, token: &str) -> Result<Option<u64>> {
    let Some(text) = value(kind, token)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| wrong())
}

/// A token that this page cannot have come from.
pub fn wrong() -> Error {
    Error::field("the page token is none that this method gave for this request")
        .hint("pass on next_page_token as it came, or leave page_token out to begin anew")
        .in_field("page_token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_of_another_method_or_nonsense_is_refused_naming_the_field() {
        let other = token("chunk", "0");
        for nonsense in [
            "x",
            "%%%",
            "AAAA",
            "7",
            &other,
            &token("frame", ""),
            &token("frame", "-1"),
        ] {
            let error = number("frame", nonsense).unwrap_err();
            assert_eq!(error.field_path(), Some("page_token"), "{nonsense}");
        }
        assert_eq!(number("frame", "").unwrap(), None);
        assert_eq!(value("chunk", &other).unwrap().as_deref(), Some("0"));
    }

    proptest! {
        #[test]
        fn any_number_and_text_comes_back(n in any::<u64>(), text in "\\PC{0,60}") {
            prop_assert_eq!(number("n", &token("n", n)).unwrap(), Some(n));
            prop_assert_eq!(value("t", &token("t", &text)).unwrap(), Some(text));
        }

        #[test]
        fn no_token_makes_reading_panic(text in "\\PC{0,60}") {
            let _ = value("t", &text);
        }
    }
}
