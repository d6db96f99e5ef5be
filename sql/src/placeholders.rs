//! Parameters as JDBC writes them.

use sqlparser::tokenizer::Token;

use crate::text::{Walker, tokenize};

/// The text with its bare question marks as `$1`, `$2`, … in order; `None` where there is none, or a parameter has a number already.
///
/// A question mark is also an operator of JSON, so only a text that cannot be read as it is should be asked of.
pub fn numbered(text: &str) -> Option<String> {
    let mut walker = Walker::new(text);
    let (mut numbered, mut done, mut count) = (String::new(), 0, 0);
    for token in tokenize(text).ok()? {
        match &token.token {
            Token::Placeholder(name) if name != "?" => return None,
            Token::Question | Token::Placeholder(_) => {
                let (at, _) = walker.to(token.span.start);
                count += 1;
                numbered.push_str(text.get(done..at)?);
                numbered.push_str(&format!("${count}"));
                done = at + 1;
            }
            _ => {}
        }
    }
    numbered.push_str(text.get(done..)?);
    (count > 0).then_some(numbered)
}

#[cfg(test)]
mod tests {
    //! What is a parameter and what only looks like one.

    use super::numbered;

    #[test]
    fn question_marks_are_numbered_outside_of_texts_names_and_comments() {
        let text = "SELECT 'ä?', \"?\" /* ? */, ?::int -- ?\nFROM t WHERE a=? AND b IN (?,?) AND c = $$?$$";
        let expected = "SELECT 'ä?', \"?\" /* ? */, $1::int -- ?\nFROM t WHERE a=$2 AND b IN ($3,$4) AND c = $$?$$";
        assert_eq!(numbered(text).as_deref(), Some(expected));
        assert_eq!(numbered("SELECT $1, ?"), None);
        assert_eq!(numbered("SELECT 1"), None);
        assert_eq!(numbered("SELECT 'open ?"), None);
    }
}
