//! Floats as PostgreSQL prints them since version 12: the shortest digits that read back as the same number, in the layout of C's `%g`.

use std::fmt::{LowerExp, Write};

use bytes::{BufMut, BytesMut};

/// Writes a float; `plain_below` is the decimal exponent from which scientific notation begins (15 for double precision, 6 for real).
pub(super) fn write<F: LowerExp + Into<f64> + Copy>(
    value: F,
    plain_below: i32,
    out: &mut BytesMut,
) {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return out.put_slice(b"NaN");
    }
    if wide.is_infinite() {
        return out.put_slice(if wide > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    }
    // Rust's `{:e}` gives the shortest digits as d.ddde±x.
    let mut scientific = Buffer::default();
    if write!(scientific, "{value:e}").is_err() {
        return;
    }
    let text = scientific.text();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.put_slice(sign.as_bytes());
    if exponent < -4 || exponent >= plain_below {
        out.put_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        // The buffer's `Write` cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
    } else if exponent < 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', (-exponent - 1) as usize);
        out.put_slice(first.as_bytes());
        out.put_slice(rest.as_bytes());
    } else {
        let whole = exponent as usize;
        out.put_slice(first.as_bytes());
        if rest.len() <= whole {
            out.put_slice(rest.as_bytes());
            out.put_bytes(b'0', whole - rest.len());
        } else {
            let (whole, fraction) = rest.split_at(whole);
            out.put_slice(whole.as_bytes());
            out.put_u8(b'.');
            out.put_slice(fraction.as_bytes());
        }
    }
}

/// Room for any float in scientific notation.
#[derive(Default)]
struct Buffer {
    bytes: [u8; 32],
    length: usize,
}

impl Buffer {
    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self
            .bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
