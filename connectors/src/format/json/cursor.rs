//! A strict reader of JSON text (RFC 8259), byte by byte where it matters and eight bytes at a time in strings.
//!
//! Never recursive: what is skipped may be nested as deep as [`MAX_DEPTH`] without touching the thread's stack.

use super::{
    plain,
    problem::Problem,
    scan::{DigitRun, same, special},
};

/// Levels of nesting beyond which a message is bad.
pub(super) const MAX_DEPTH: usize = 512;

/// A position in a message that is known to be UTF-8.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nesting: Vec<u8>,
}

/// A string token, quotes off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    /// The text between the quotes, escapes still in it.
    pub(super) raw: &'a str,
    /// Whether there are escapes to resolve.
    pub(super) escaped: bool,
    /// Where the text begins in the message.
    pub(super) at: usize,
}

/// A number token, taken apart while it was scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    /// The token.
    pub(super) text: &'a str,
    /// Whether it begins with a minus.
    pub(super) negative: bool,
    /// Its digits without the point, exact when `digits` is at most 19.
    pub(super) mantissa: u64,
    /// How many significant digits there are.
    pub(super) digits: u32,
    /// How many of them stand after the point.
    pub(super) fraction: u32,
    /// The written exponent, saturated far outside of what any type holds.
    pub(super) exponent: i32,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            nesting: Vec::new(),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The message between two positions that both lie on ASCII bytes.
    pub(super) fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// What is left of the message.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes on where `rest` is what is left.
    #[inline]
    pub(super) fn go_to(&mut self, rest: &[u8]) {
        self.at = self.bytes.len().saturating_sub(rest.len());
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `literal` if it stands here.
    #[inline]
    pub(super) fn take(&mut self, literal: &[u8]) -> bool {
        let end = self.at + literal.len();
        let here = self.bytes.get(self.at..end);
        let here = here.is_some_and(|here| same(here, literal));
        if here {
            self.at = end;
        }
        here
    }

    /// Steps over one expected byte, or says what stands there instead.
    #[inline]
    pub(super) fn require(&mut self, byte: u8, what: &str) -> Result<(), Problem> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(what))
    }

    /// The problem that something else than `what` stands here.
    #[cold]
    pub(super) fn unexpected(&self, what: &str) -> Problem {
        Problem::new(
            format!("expected {what}, found {}", self.describe()),
            self.at,
        )
    }

    /// What stands here, for an error message.
    #[cold]
    pub(super) fn describe(&self) -> String {
        match self.peek() {
            None => "the end of the message".into(),
            Some(b'"') => "a string".into(),
            Some(b'{') => "an object".into(),
            Some(b'[') => "an array".into(),
            Some(b'-' | b'0'..=b'9') => "a number".into(),
            Some(b't' | b'f') if self.literal_here(&["true", "false"]) => "a boolean".into(),
            Some(b'n') if self.literal_here(&["null"]) => "null".into(),
            Some(byte) if byte < 0x20 => format!("control character 0x{byte:02x}"),
            Some(_) => match self
                .text
                .get(self.at..)
                .and_then(|rest| rest.chars().next())
            {
                Some(char) => format!("'{char}'"),
                None => "an unreadable character".into(),
            },
        }
    }

    fn literal_here(&self, literals: &[&str]) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        literals
            .iter()
            .any(|literal| rest.starts_with(literal.as_bytes()))
    }

    /// Reads a string; the opening quote stands here.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Quoted<'a>, Problem> {
        self.require(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = special(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    let raw = self.between(start, self.at);
                    self.at += 1;
                    return Ok(Quoted {
                        raw,
                        escaped,
                        at: start,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(byte) => {
                    return Err(Problem::new(
                        format!("control character 0x{byte:02x} in a string"),
                        self.at,
                    ));
                }
                None => {
                    return Err(Problem::new("a string has no closing quote", start - 1));
                }
            }
        }
    }

    /// Steps over one escape sequence and checks its form; surrogates are paired when the string is resolved.
    fn escape(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 5;
                    return Ok(());
                }
                Err(Problem::new("\\u without four hexadecimal digits", start))
            }
            _ => Err(Problem::new("unknown escape sequence in a string", start)),
        }
    }

    /// Reads a number; a minus or a digit stands here.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'a>, Problem> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let mut number = Number {
            text: "",
            negative,
            mantissa: 0,
            digits: 0,
            fraction: 0,
            exponent: 0,
        };
        let whole = self.at;
        self.digits(&mut number);
        match self.at - whole {
            0 => return Err(self.unexpected("a digit")),
            1 => {}
            _ if self.bytes.get(whole) == Some(&b'0') => {
                return Err(Problem::new("a number has a leading zero", start));
            }
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            let from = self.at;
            self.digits(&mut number);
            if self.at == from {
                return Err(self.unexpected("a digit after the decimal point"));
            }
            number.fraction = u32::try_from(self.at - from).unwrap_or(u32::MAX);
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            number.exponent = self.exponent()?;
        }
        number.text = self.between(start, self.at);
        Ok(number)
    }

    #[inline]
    fn digits(&mut self, number: &mut Number<'a>) {
        let (mut mantissa, mut digits, mut at) = (number.mantissa, number.digits, self.at);
        while let Some(chunk) = self
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            let run = DigitRun::of(u64::from_le_bytes(*chunk));
            mantissa = mantissa.wrapping_mul(run.scale()).wrapping_add(run.value());
            digits += if digits > 0 {
                run.length
            } else {
                run.significant()
            };
            at += run.length as usize;
            if run.length < 8 {
                (number.mantissa, number.digits, self.at) = (mantissa, digits, at);
                return;
            }
        }
        // The last bytes of the message.
        while let Some(byte @ b'0'..=b'9') = self.bytes.get(at) {
            let digit = byte - b'0';
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            // Leading zeros are not significant; everything after the first other digit is.
            digits += u32::from(digits > 0 || digit != 0);
            at += 1;
        }
        (number.mantissa, number.digits, self.at) = (mantissa, digits, at);
    }

    fn exponent(&mut self) -> Result<i32, Problem> {
        let negative = match self.peek() {
            Some(sign @ (b'+' | b'-')) => {
                self.at += 1;
                sign == b'-'
            }
            _ => false,
        };
        let from = self.at;
        let mut value = 0_i32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = (value
                .saturating_mul(10)
                .saturating_add(i32::from(digit - b'0')))
            .min(100_000);
            self.at += 1;
        }
        if self.at == from {
            return Err(self.unexpected("a digit in the exponent"));
        }
        Ok(if negative { -value } else { value })
    }

    /// Steps over one whole value and checks it.
    #[inline]
    pub(super) fn skip_value(&mut self) -> Result<(), Problem> {
        match plain::behind_string(self.rest()) {
            Some(rest) => {
                self.go_to(rest);
                Ok(())
            }
            None => self.skip_any(),
        }
    }

    fn skip_any(&mut self) -> Result<(), Problem> {
        let base = self.nesting.len();
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                }
                Some(open @ (b'{' | b'[')) => {
                    if self.nesting.len() >= MAX_DEPTH {
                        return Err(Problem::new(
                            format!("nested deeper than {MAX_DEPTH} levels"),
                            self.at,
                        ));
                    }
                    self.at += 1;
                    self.skip_space();
                    if self.peek() == Some(open + 2) {
                        // '{' + 2 is '}' and '[' + 2 is ']'.
                        self.at += 1;
                    } else {
                        self.nesting.push(open);
                        if open == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.literal()?,
            }
            if self.after_value(base)? {
                return Ok(());
            }
        }
    }

    /// After a value inside of containers: closes what ends here and goes to the next value; `true` when the outermost is done.
    fn after_value(&mut self, base: usize) -> Result<bool, Problem> {
        while self.nesting.len() > base {
            self.skip_space();
            let object = self.nesting.last() == Some(&b'{');
            match (self.peek(), object) {
                (Some(b','), _) => {
                    self.at += 1;
                    if object {
                        self.skip_space();
                        self.key()?;
                    }
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    self.nesting.pop();
                }
                (_, true) => return Err(self.unexpected("',' or '}'")),
                (_, false) => return Err(self.unexpected("',' or ']'")),
            }
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a field name in quotes"));
        }
        self.string()?;
        self.skip_space();
        self.require(b':', "':' after a field name")
    }

    fn literal(&mut self) -> Result<(), Problem> {
        if self.take(b"true") || self.take(b"false") || self.take(b"null") {
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }
}

impl Quoted<'_> {
    /// Appends the text with its escapes resolved.
    pub(super) fn resolve(&self, out: &mut Vec<u8>) -> Result<(), Problem> {
        if !self.escaped {
            out.extend_from_slice(self.raw.as_bytes());
            return Ok(());
        }
        let mut rest = self.raw;
        let mut at = self.at;
        while let Some(slash) = rest.find('\\') {
            out.extend_from_slice(rest.get(..slash).unwrap_or_default().as_bytes());
            at += slash;
            let (char, length) = escape_char(rest.get(slash..).unwrap_or_default(), at)?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = rest.get(slash + length..).unwrap_or_default();
            at += length;
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(())
    }
}

/// The character an escape stands for, and how many bytes it takes; `text` begins at the backslash and is known to be well formed.
fn escape_char(text: &str, at: usize) -> Result<(char, usize), Problem> {
    let simple = match text.as_bytes().get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(text, at),
        Some(other) => char::from(*other),
        None => return Err(Problem::new("unknown escape sequence in a string", at)),
    };
    Ok((simple, 2))
}

fn unicode(text: &str, at: usize) -> Result<(char, usize), Problem> {
    let unit = |from: usize| {
        text.get(from..from + 6)
            .and_then(|escape| escape.strip_prefix("\\u"))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let high = unit(0).unwrap_or_default();
    if let Some(char) = char::from_u32(high) {
        return Ok((char, 6));
    }
    match unit(6) {
        Some(low @ 0xDC00..=0xDFFF) if high < 0xDC00 => {
            let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            match char::from_u32(code) {
                Some(char) => Ok((char, 12)),
                None => Err(Problem::new("half a surrogate pair in a string", at)),
            }
        }
        _ => Err(Problem::new("half a surrogate pair in a string", at)),
    }
}
