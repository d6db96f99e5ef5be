//! UUIDs in the spellings that PostgreSQL reads, to the one that it writes.

/// Appends the UUID as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` in lower case; `None` when the text is none.
///
/// Upper case, braces around the whole and hyphens left out are fine, and so are hyphens after any group of four digits.
pub(super) fn canonical(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let bare = text.as_bytes();
    let bare = match bare.strip_prefix(b"{") {
        Some(open) => open.strip_suffix(b"}")?,
        None => bare,
    };
    let start = out.len();
    let mut digits = 0;
    let mut after_hyphen = true;
    for byte in bare {
        if *byte == b'-' {
            if after_hyphen || digits % 4 != 0 || digits == 32 {
                out.truncate(start);
                return None;
            }
            after_hyphen = true;
            continue;
        }
        if !byte.is_ascii_hexdigit() || digits == 32 {
            out.truncate(start);
            return None;
        }
        if matches!(digits, 8 | 12 | 16 | 20) {
            out.push(b'-');
        }
        out.push(byte.to_ascii_lowercase());
        digits += 1;
        after_hyphen = false;
    }
    if digits != 32 {
        out.truncate(start);
        return None;
    }
    Some(())
}
