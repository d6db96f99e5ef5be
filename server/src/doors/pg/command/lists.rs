//! What is read by somebody else: the items of a list, the statements of a text. Here is only where each ends, which quotes, parentheses and
//! comments say.

use super::{
    Failure,
    words::{Words, comment_length},
};

/// The statements of a text, each with the bytes before it; empty ones left out.
pub(in crate::doors::pg) fn statements(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(left) = text.get(at..).filter(|left| !left.is_empty()) {
        let length = piece(left);
        if left.starts_with(';') {
            found.push((start, text.get(start..at).unwrap_or_default()));
            start = at + length;
        }
        at += length;
    }
    found.push((start, text.get(start..).unwrap_or_default()));
    found.retain(|(_, statement)| !statement.trim().is_empty());
    found
}

impl Words<'_> {
    /// The items of a parenthesised list, each with the characters before it in the text; `None` where no list is next.
    pub(super) fn list(&mut self) -> Result<Option<Vec<(String, usize)>>, Failure> {
        if !self.eat_symbol('(') {
            return Ok(None);
        }
        let mut items = Vec::new();
        let (mut start, mut depth) = (self.at, 0_usize);
        loop {
            let left = self.left();
            let Some(first) = left.chars().next() else {
                return Err(self.unexpected());
            };
            match first {
                '(' | '[' => depth += 1,
                ')' | ',' if depth == 0 => {
                    let item = self.text.get(start..self.at).unwrap_or_default();
                    if item.trim().is_empty() {
                        return Err(self.unexpected());
                    }
                    let blank = item.len() - item.trim_start().len();
                    let before = self.text.get(..start + blank).unwrap_or_default();
                    items.push((item.trim().to_owned(), before.chars().count()));
                    self.at += 1;
                    if first == ')' {
                        return Ok(Some(items));
                    }
                    start = self.at;
                    continue;
                }
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += piece(left);
        }
    }
}

/// Bytes of what a text begins with and what nothing ends in the middle of: a literal, a quoted name, a word, a comment, a character.
fn piece(text: &str) -> usize {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let Some(first) = text.chars().next() else {
        return 0;
    };
    match first {
        '\'' | '"' => quoted(text, first, false),
        '$' => dollar_quoted(text).unwrap_or(1),
        '-' if text.starts_with("--") => text.find('\n').unwrap_or(text.len()),
        '/' if text.starts_with("/*") => comment_length(text),
        c if in_word(c) => {
            let word = text.find(|c| !in_word(c)).unwrap_or(text.len());
            let rest = text.get(word..).unwrap_or_default();
            match c {
                'e' | 'E' if word == 1 && rest.starts_with('\'') => 1 + quoted(rest, '\'', true),
                _ => word,
            }
        }
        other => other.len_utf8(),
    }
}

/// Bytes of a text in quotes; all that is left where they are not closed.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Bytes of `$tag$…$tag$`.
fn dollar_quoted(text: &str) -> Option<usize> {
    let name = text.get(1..)?.find('$')? + 1;
    let tag = text.get(..=name)?;
    let word = tag.trim_matches('$');
    let plain = word.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !plain || word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = text.get(tag.len()..)?.find(tag);
    Some(end.map_or(text.len(), |end| end + 2 * tag.len()))
}

#[cfg(test)]
mod tests {
    //! Where items and statements end.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Words, statements};

    #[test]
    fn items_end_at_commas_outside_of_everything() {
        let text = "(1, 'a,''b)', E'\\',', $x$),$x$, f(2, 3), ARRAY[4, 5] /* , */, \"é,\") rest";
        let mut words = Words::new(text);
        let items = words.list().unwrap().unwrap();
        let texts: Vec<&str> = items.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "1",
                "'a,''b)'",
                "E'\\','",
                "$x$),$x$",
                "f(2, 3)",
                "ARRAY[4, 5] /* , */",
                "\"é,\""
            ]
        );
        for (item, before) in &items {
            let rest: String = text.chars().skip(*before).collect();
            assert!(rest.starts_with(item), "{item} at {before}");
        }
        assert_eq!(words.left(), " rest");
        for wrong in ["()", "(1,)", "(,1)", "(1", "('a)"] {
            let failure = Words::new(wrong).list().unwrap_err();
            assert_eq!(failure.code, "42601", "{wrong}");
        }
        assert!(Words::new("1").list().unwrap().is_none());
    }

    #[test]
    fn statements_end_at_semicolons() {
        let text = "a; 'b;c' -- ;\n; /* ; */ $$;$$;; \"d;\"";
        let found = statements(text);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.trim()).collect();
        assert_eq!(texts, ["a", "'b;c' -- ;", "/* ; */ $$;$$", "\"d;\""]);
        for (at, statement) in found {
            assert!(text[at..].starts_with(statement));
        }
    }
}
