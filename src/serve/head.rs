//! What a call says about itself before its message: its id, its trace, its deadline.

use std::time::Duration;

use http::HeaderMap;

use crate::hex::new_id;

/// By which a call is found in the log, and answered under.
pub const REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";
const TIMEOUT: &str = "grpc-timeout";
const MAX_ID_BYTES: usize = 128;

/// The client's own id of the call, if it is one to be written into a log; otherwise a new one.
pub fn request_id(headers: &HeaderMap) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~:+/=@-".contains(&b);
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id) if (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain) => {
            id.to_owned()
        }
        _ => new_id(),
    }
}

/// The trace id of a W3C traceparent (Trace Context, 3.2.2): `version-traceid-parentid-flags`.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let hex = |text: &str, digits: usize| {
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        text.len() == digits && text.bytes().all(plain)
    };
    let some = |text: &str| text.bytes().any(|b| b != b'0');
    let whole = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // Later versions may add parts; version 0 has none, and ff is forbidden.
    let parts_fit = version != "ff" && (version != "00" || parts.next().is_none());
    (whole && parts_fit && some(trace) && some(parent)).then_some(trace)
}

/// How long the client will wait (gRPC over HTTP/2: at most eight digits and a unit).
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        let id = |value: &str| request_id(&with(REQUEST_ID, value));
        assert_eq!(id("job-7/frame.3"), "job-7/frame.3");
        for odd in ["", "a b", "a\"b", "{}", &"x".repeat(129)] {
            let made = id(odd);
            assert!(made.len() == 32 && made != odd, "{made}");
        }
        let none = HeaderMap::new();
        assert_ne!(request_id(&none), request_id(&none));
    }

    #[test]
    fn the_trace_of_a_whole_traceparent_is_known() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let id = |value: &str| trace_id(&with(TRACEPARENT, value)).map(str::to_owned);
        let whole = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(id(&whole).as_deref(), Some(trace));
        assert_eq!(
            id(&format!("cc-{trace}-00f067aa0ba902b7-01-more")).as_deref(),
            Some(trace)
        );
        for broken in [
            "",
            "00",
            &format!("ff-{trace}-00f067aa0ba902b7-01"),
            &format!("00-{trace}-00f067aa0ba902b7-01-more"),
            &format!("00-{trace}-0000000000000000-01"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &whole.to_uppercase(),
        ] {
            assert_eq!(id(broken), None, "{broken}");
        }
    }

    #[test]
    fn timeouts_have_a_unit() {
        let of = |value: &str| timeout(&with(TIMEOUT, value));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            of("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(of("5n"), Some(Duration::from_nanos(5)));
        for odd in ["", "5", "m", "-1S", "+1S", "123456789S", "5x"] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
