//! The words of a statement, one after another: keywords, names and single characters, comments left out.

use super::Failure;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// As written.
    Plain(String),
    /// Without its quotes.
    Quoted(String),
    Symbol(char),
}

/// What is left of a statement.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn left(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        loop {
            let left = self.left();
            let trimmed = left.trim_start();
            self.at += left.len() - trimmed.len();
            if trimmed.starts_with("--") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += comment_length(trimmed);
            } else {
                return;
            }
        }
    }

    /// The next word and where it ends.
    fn look(&mut self) -> Option<(Word, usize)> {
        self.skip_space();
        let left = self.left();
        let first = left.chars().next()?;
        if first == '"' {
            let mut name = String::new();
            let mut rest = left.get(1..)?;
            loop {
                let quote = rest.find('"')?;
                name.push_str(&rest[..quote]);
                rest = &rest[quote + 1..];
                match rest.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        rest = more;
                    }
                    None => return Some((Word::Quoted(name), self.text.len() - rest.len())),
                }
            }
        }
        let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        if in_word(first) {
            let length = left.find(|c| !in_word(c)).unwrap_or(left.len());
            return Some((Word::Plain(left[..length].to_owned()), self.at + length));
        }
        Some((Word::Symbol(first), self.at + first.len_utf8()))
    }

    /// Takes the next word if it is a keyword or unquoted name, in upper case.
    pub(super) fn keyword(&mut self) -> Option<String> {
        let (Word::Plain(word), end) = self.look()? else {
            return None;
        };
        self.at = end;
        Some(word.to_ascii_uppercase())
    }

    pub(super) fn peek_is(&mut self, keyword: &str) -> bool {
        matches!(self.look(), Some((Word::Plain(word), _)) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        self.eat_any(&[keyword])
    }

    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        match self.look() {
            Some((Word::Plain(word), end))
                if keywords.iter().any(|k| word.eq_ignore_ascii_case(k)) =>
            {
                self.at = end;
                true
            }
            _ => false,
        }
    }

    pub(super) fn eat_symbol(&mut self, symbol: char) -> bool {
        match self.look() {
            Some((word, end)) if word == Word::Symbol(symbol) => {
                self.at = end;
                true
            }
            _ => false,
        }
    }

    pub(super) fn require(&mut self, keyword: &str) -> Result<(), Failure> {
        self.expect_any(&[keyword])
    }

    pub(super) fn expect_any(&mut self, keywords: &[&str]) -> Result<(), Failure> {
        if self.eat_any(keywords) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A name: folded to lower case unless quoted.
    pub(super) fn name(&mut self) -> Result<String, Failure> {
        let (name, end) = match self.look() {
            Some((Word::Plain(name), end)) => (name.to_lowercase(), end),
            Some((Word::Quoted(name), end)) => (name, end),
            _ => return Err(self.unexpected()),
        };
        self.at = end;
        Ok(name)
    }

    pub(super) fn name_or_all(&mut self) -> Result<Option<String>, Failure> {
        if self.eat("ALL") {
            return Ok(None);
        }
        self.name().map(Some)
    }

    /// Whether a number is next, or its sign.
    pub(super) fn at_number(&mut self) -> bool {
        match self.look() {
            Some((Word::Symbol(sign), _)) => ['-', '+'].contains(&sign),
            Some((Word::Plain(word), _)) => word.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        }
    }

    /// A whole number.
    pub(super) fn whole_number(&mut self) -> Result<i64, Failure> {
        let negative = self.eat_symbol('-');
        if !negative {
            self.eat_symbol('+');
        }
        match self.look() {
            Some((Word::Plain(word), end)) => {
                let number: u32 = word.parse().map_err(|_| self.unexpected())?;
                self.at = end;
                Ok(match negative {
                    true => -i64::from(number),
                    false => i64::from(number),
                })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Goes behind a keyword that only options stand before: words, and parentheses with words; what stands before it.
    pub(super) fn up_to(&mut self, keyword: &str) -> Option<String> {
        const OPTIONS: [&str; 4] = ["ANALYZE", "ANALYSE", "VERBOSE", "EXTENDED"];
        loop {
            let before = self.text.get(..self.at)?.to_owned();
            if self.eat(keyword) {
                return Some(before);
            }
            if !self.eat_any(&OPTIONS) && !matches!(self.list(), Ok(Some(_))) {
                return None;
            }
        }
    }

    /// Whether there is exactly one word to come.
    pub(super) fn only_one_left(&self) -> bool {
        let mut ahead = self.clone();
        match ahead.look() {
            Some((_, end)) => ahead.at = end,
            None => return false,
        }
        ahead.end().is_ok()
    }

    /// All that is left, and the characters before it.
    pub(super) fn rest(&mut self) -> (&'a str, usize) {
        self.skip_space();
        let before = self.text.get(..self.at).unwrap_or_default();
        let rest = (self.left(), before.chars().count());
        self.at = self.text.len();
        rest
    }

    /// Nothing may be left but semicolons.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        while self.eat_symbol(';') {}
        match self.look() {
            None => Ok(()),
            Some(_) => Err(self.unexpected()),
        }
    }

    /// The error for the word that is next.
    pub(super) fn unexpected(&mut self) -> Failure {
        let mut failure = match self.look() {
            None => Failure::error("42601", "syntax error at end of input"),
            Some((_, end)) => {
                let near = self.text.get(self.at..end).unwrap_or_default();
                Failure::error("42601", format!("syntax error at or near \"{near}\""))
            }
        };
        let before = self.text.get(..self.at).unwrap_or_default();
        failure.position = Some(before.chars().count() + 1);
        failure
    }
}

/// Length of the comment a text begins with; they nest.
pub(super) fn comment_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(two) = bytes.get(at..at + 2) {
        match two {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}
