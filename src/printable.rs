//! Text of others (clients, servers, media, stores) as it may be printed: a line stays one line, and nothing in it
//! speaks to a terminal.

use std::borrow::Cow;

/// A longer line is cut: what is printed is for people, and waits in bounded memory.
const MAX_BYTES: usize = 16 << 10;

/// The text with its control characters escaped as JSON would, and cut where it is very long.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, speaks)
}

/// The same, with the colours that whoever made this line of a log gave it. What others put into such a line has its
/// ESC escaped already.
pub fn coloured(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\x1b' && speaks(c))
}

/// Controls, ends of lines, and marks that turn the order of letters around (Unicode 16, 23.2; UAX #9).
fn speaks(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        )
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, speaks: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.len() <= MAX_BYTES && !text.contains(&speaks) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(MAX_BYTES));
    for c in text.chars() {
        if shown.len() >= MAX_BYTES {
            shown.push('…');
            break;
        }
        match c {
            c if !speaks(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // All of them have 16 bits.
            c => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_and_says_nothing_to_a_terminal() {
        for (text, shown) in [
            ("a b.mp4", "a b.mp4"),
            ("ä 猫 🐈", "ä 猫 🐈"),
            ("a\n2026 ERROR forged\r", "a\\n2026 ERROR forged\\r"),
            ("\x1b[2J\x07\t\x7f", "\\u001b[2J\\u0007\\t\\u007f"),
            ("\u{9b}31m\u{85}", "\\u009b31m\\u0085"),
            ("gpj.\u{202e}exe\u{2028}", "gpj.\\u202eexe\\u2028"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(coloured("\x1b[31mred\x1b[0m\n"), "\x1b[31mred\x1b[0m\\n");
    }

    #[test]
    fn a_very_long_line_is_cut_between_characters() {
        let long = "猫".repeat(MAX_BYTES);
        let shown = printable(&long);
        assert!(
            shown.ends_with('…') && shown.len() <= MAX_BYTES + 6,
            "{}",
            shown.len()
        );
        let longest = "a".repeat(MAX_BYTES);
        assert_eq!(printable(&longest), longest);
    }
}
