//! A template taken apart: fields with what modifies them, and the text between.

/// One part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// A field by its upper-case name.
    Field(Field),
    /// Text that stands for itself.
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// As the field was written: its case is the case of names.
    pub(super) written: String,
    /// FM: without padding.
    pub(super) bare: bool,
    /// TH or th, as it was written.
    pub(super) ordinal: Option<String>,
}

/// Longer names before those they begin with.
const FIELDS: [&str; 53] = [
    "HH24", "HH12", "HH", "MI", "SSSSS", "SSSS", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4",
    "FF5", "FF6", "A.M.", "P.M.", "AM", "PM", "Y,YYY", "YYYY", "YYY", "YY", "IYYY", "IYY", "IY",
    "B.C.", "A.D.", "BC", "AD", "MONTH", "MON", "MM", "DAY", "DY", "DDD", "IDDD", "DD", "ID", "IW",
    "WW", "CC", "RM", "TZH", "TZM", "TZ", "OF", "Y", "I", "D", "W", "J", "Q",
];

/// The parts of a template.
pub(super) fn parts(template: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = template;
    let mut bare = false;
    let mut text = String::new();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find('"').unwrap_or(inside.len());
            text.push_str(inside.get(..end).unwrap_or_default());
            rest = inside.get(end..).unwrap_or_default();
            rest = rest.strip_prefix('"').unwrap_or(rest);
            continue;
        }
        if let Some(after) = prefix(rest, "FM") {
            bare = true;
            rest = after;
            continue;
        }
        let found = FIELDS
            .iter()
            .find_map(|name| prefix(rest, name).map(|after| (*name, after)));
        let Some((name, after)) = found else {
            text.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        let written = rest.get(..name.len()).unwrap_or_default().to_owned();
        rest = after;
        let ordinal = ["TH", "th"]
            .iter()
            .find(|suffix| rest.starts_with(**suffix))
            .map(|suffix| (*suffix).to_owned());
        if ordinal.is_some() {
            rest = rest.get(2..).unwrap_or_default();
        }
        parts.push(Part::Field(Field {
            name,
            written,
            bare: std::mem::take(&mut bare),
            ordinal,
        }));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// What follows a name, in any case.
fn prefix<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let begin = text.get(..name.len())?;
    begin
        .eq_ignore_ascii_case(name)
        .then(|| text.get(name.len()..))?
}
