//! Numbers by a template: `9` and `0` are digits, `.` or `D` the point, `,` or `G` groups, `S`, `MI` and `PR` the sign, `FM` leaves blanks out.

/// Where the sign of a number is written.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    /// Before the first digit, a blank where there is none.
    Usual,
    /// `S` before the digits.
    First,
    /// `S` or `MI` behind them.
    Last,
    /// `PR`: in angle brackets.
    Brackets,
}

/// A number, as it is written plainly, in the form of a template; `None` for one of a form that is not known here.
pub(super) fn shown(number: &str, template: &str) -> Option<String> {
    let upper = template.to_uppercase();
    if upper.contains("EEEE") || upper.contains('"') {
        return None;
    }
    if upper.is_empty() {
        return Some(String::new());
    }
    if let Some(before) = upper.strip_suffix("TH") {
        let (negative, whole, _) = rounded(number, 0);
        let ordinal = match negative || before.contains(['.', 'D']) {
            true => "",
            false => ordinal(&whole),
        };
        let ordinal = match template.ends_with("th") {
            true => ordinal.to_owned(),
            false => ordinal.to_uppercase(),
        };
        return Some(format!("{}{ordinal}", written(number, before)));
    }
    if upper.contains("RN") {
        let numeral = roman(number);
        let numeral = match template.contains("rn") {
            true => numeral.to_lowercase(),
            false => numeral,
        };
        return Some(match upper.contains("FM") {
            true => numeral,
            false => format!("{numeral:>15}"),
        });
    }
    // As many digits as stand behind a V are moved before the point.
    if let Some((before, behind)) = upper.split_once('V') {
        let places = behind.matches(['9', '0']).count();
        let (negative, whole, fraction) = rounded(number, places);
        let sign = if negative { "-" } else { "" };
        let number = format!("{sign}{whole}{fraction}");
        return Some(written(&number, &format!("{before}{behind}")));
    }
    Some(written(number, template))
}

/// What is written behind a number that says a place.
fn ordinal(whole: &str) -> &'static str {
    match (
        whole.ends_with("11") || whole.ends_with("12") || whole.ends_with("13"),
        whole,
    ) {
        (false, whole) if whole.ends_with('1') => "st",
        (false, whole) if whole.ends_with('2') => "nd",
        (false, whole) if whole.ends_with('3') => "rd",
        _ => "th",
    }
}

/// A number from 1 to 3999 as a Roman one.
fn roman(number: &str) -> String {
    const NUMERALS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (negative, whole, _) = rounded(number, 0);
    let mut left = match whole.parse::<u32>() {
        Ok(whole @ 1..=3999) if !negative => whole,
        _ => return "#".repeat(15),
    };
    let mut numeral = String::new();
    for (value, letters) in NUMERALS {
        while left >= value {
            left -= value;
            numeral.push_str(letters);
        }
    }
    numeral
}

/// A number, as it is written plainly, in the form of a template.
pub(super) fn written(number: &str, template: &str) -> String {
    let upper = template.to_uppercase();
    let bare = upper.contains("FM");
    let upper = upper.replace("FM", "");
    let (upper, sign, always) = sign_of(&upper);
    let (whole_template, fraction_template) = match upper.find(['.', 'D']) {
        Some(at) => (
            upper.get(..at).unwrap_or_default(),
            upper.get(at + 1..).unwrap_or_default(),
        ),
        None => (upper.as_str(), ""),
    };
    let has_point = upper.contains(['.', 'D']);
    let places = fraction_template.matches(['9', '0']).count();
    let (negative, whole, fraction) = rounded(number, places);
    let is_digit = |c: &char| matches!(c, '9' | '0');
    let room = whole_template.chars().filter(is_digit).count();
    let digits = if whole == "0" && room > 0 && has_point && places > 0 {
        ""
    } else {
        whole.as_str()
    };
    let overflow = digits.len() > room;
    // From where on zeros are written out.
    let zeros_from = whole_template
        .chars()
        .filter(is_digit)
        .position(|c| c == '0');
    let mut out = String::new();
    let mut at = 0;
    let mut begun = false;
    for letter in whole_template.chars() {
        match letter {
            '9' | '0' => {
                let missing = room.saturating_sub(digits.len());
                let is_zero = zeros_from.is_some_and(|from| at >= from);
                if overflow {
                    out.push('#');
                    begun = true;
                } else if at >= missing {
                    let digit = digits.chars().nth(at - missing);
                    out.extend(digit);
                    begun = true;
                } else if is_zero {
                    out.push('0');
                    begun = true;
                } else if !bare {
                    out.push(' ');
                }
                at += 1;
            }
            ',' | 'G' if begun => out.push(','),
            ',' | 'G' => {
                if !bare {
                    out.push(' ');
                }
            }
            'L' => out.push(' '),
            '"' => {}
            other => out.push(other),
        }
    }
    if has_point {
        out.push('.');
        let mut digits = fraction.chars();
        let zeros_to = fraction_template.rfind('0').map_or(0, |at| at + 1);
        let mut tail = String::new();
        for (at, letter) in fraction_template.chars().enumerate() {
            match letter {
                '9' | '0' if overflow => tail.push('#'),
                '9' | '0' => {
                    let digit = digits.next().unwrap_or('0');
                    tail.push(digit);
                    let _ = at;
                }
                other => tail.push(other),
            }
        }
        if bare {
            while tail.len() > zeros_to && tail.ends_with('0') {
                tail.pop();
            }
        }
        out.push_str(&tail);
    }
    signed(&out, negative, sign, always, bare)
}

/// The template without its sign, where that stands, and whether a plus is written too.
fn sign_of(template: &str) -> (String, Sign, bool) {
    if let Some(rest) = template.strip_suffix("PR") {
        return (rest.to_owned(), Sign::Brackets, false);
    }
    if let Some(rest) = template.strip_suffix("MI") {
        return (rest.to_owned(), Sign::Last, false);
    }
    if let Some(rest) = template.strip_suffix('S') {
        return (rest.to_owned(), Sign::Last, true);
    }
    if let Some(rest) = template.strip_prefix("MI") {
        return (rest.to_owned(), Sign::First, false);
    }
    match template.strip_prefix('S') {
        Some(rest) => (rest.to_owned(), Sign::First, true),
        None => (template.to_owned(), Sign::Usual, false),
    }
}

fn signed(digits: &str, negative: bool, sign: Sign, always: bool, bare: bool) -> String {
    let mark = match (negative, always) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) if bare => "",
        (false, false) => " ",
    };
    let blanks = digits.len() - digits.trim_start().len();
    let (blank, number) = digits.split_at(blanks);
    match sign {
        Sign::Usual | Sign::First => format!("{blank}{mark}{number}"),
        Sign::Last => format!("{digits}{mark}"),
        Sign::Brackets if negative => format!("{blank}<{number}>"),
        Sign::Brackets if bare => digits.to_owned(),
        Sign::Brackets => format!("{blank} {number} "),
    }
}

/// The sign, the digits before the point and those behind it, a half away from zero.
fn rounded(number: &str, places: usize) -> (bool, String, String) {
    let number = match (number.parse::<f64>(), number.contains(['e', 'E'])) {
        (Ok(float), true) => format!("{float}"),
        _ => number.to_owned(),
    };
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let up = fraction
        .as_bytes()
        .get(places)
        .is_some_and(|digit| *digit >= b'5');
    let mut all: Vec<u8> = whole.bytes().collect();
    all.extend(fraction.bytes().take(places));
    all.resize(whole.len() + places, b'0');
    if up {
        let mut carry = true;
        for digit in all.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { digit.saturating_add(1) };
        }
        if carry {
            all.insert(0, b'1');
        }
    }
    let split = all.len() - places;
    let (whole, fraction) = all.split_at(split);
    let whole = String::from_utf8_lossy(whole).into_owned();
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let fraction = String::from_utf8_lossy(fraction).into_owned();
    let nothing = whole == "0" && fraction.bytes().all(|digit| digit == b'0');
    (negative && !nothing, whole.to_owned(), fraction)
}

/// The number a text means by a template: what is no digit, sign or point is passed over.
pub(super) fn parse(text: &str, template: &str) -> Option<f64> {
    let upper = template.to_uppercase();
    let negative = text.contains('-') || (upper.ends_with("PR") && text.contains('<'));
    let digits: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let number: f64 = digits.parse().ok()?;
    Some(if negative { -number } else { number })
}
