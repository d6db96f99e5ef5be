//! A flame graph of folded stacks (`a;b;c 12` a line), as plain SVG.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use super::charts::{escaped, open};

/// Its name beside the page.
pub const FILE: &str = "flame.svg";
const WIDTH: f64 = 1400.0;
const ROW: f64 = 17.0;
/// Narrower frames are left out.
const NARROW: f64 = 0.6;

#[derive(Default)]
struct Frame {
    samples: u64,
    below: BTreeMap<String, Frame>,
}

impl Frame {
    fn depth(&self) -> usize {
        1 + self
            .below
            .values()
            .map(Frame::depth)
            .max()
            .unwrap_or_default()
    }
}

/// The graph of a file, where there is one.
pub fn draw(folded: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(folded).ok()?;
    let root = parse(&text);
    if root.samples == 0 {
        return None;
    }
    let height = 40.0 + root.depth() as f64 * ROW;
    let mut svg = open(WIDTH, height);
    let _ = writeln!(
        svg,
        "<text x='8' y='20' font-weight='bold'>The server while it drains a topic: {} samples of processor time, wider is more</text>",
        root.samples
    );
    let scale = WIDTH / root.samples as f64;
    frame("all", &root, 0.0, height - ROW - 4.0, scale, &mut svg);
    svg.push_str("</svg>\n");
    Some((FILE.into(), svg))
}

fn parse(text: &str) -> Frame {
    let mut root = Frame::default();
    for line in text.lines() {
        let Some((stack, samples)) = line.rsplit_once(' ') else {
            continue;
        };
        let Ok(samples) = samples.parse::<u64>() else {
            continue;
        };
        root.samples += samples;
        let mut at = &mut root;
        for name in stack.split(';') {
            at = at.below.entry(name.to_owned()).or_default();
            at.samples += samples;
        }
    }
    root
}

fn frame(name: &str, of: &Frame, x: f64, y: f64, scale: f64, svg: &mut String) {
    let width = of.samples as f64 * scale;
    if width < NARROW {
        return;
    }
    let hash = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let (green, blue) = (110 + hash % 110, hash / 110 % 60);
    let room = (width / 7.0) as usize;
    let label = match room {
        0..3 => String::new(),
        _ if name.chars().count() <= room => name.to_owned(),
        _ => name.chars().take(room - 1).chain(['…']).collect(),
    };
    let _ = writeln!(
        svg,
        "<g><title>{} ({} samples)</title><rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{}' fill='rgb(235,{green},{blue})' stroke='white' stroke-width='0.5'/><text x='{:.1}' y='{:.1}' font-size='11'>{}</text></g>",
        escaped(name),
        of.samples,
        ROW - 1.0,
        x + 3.0,
        y + 12.0,
        escaped(&label)
    );
    let mut x = x;
    for (name, below) in &of.below {
        frame(name, below, x, y - ROW, scale, svg);
        x += below.samples as f64 * scale;
    }
}

#[cfg(test)]
mod tests {
    //! Folded stacks add up.

    use super::*;

    #[test]
    fn stacks_add_up() {
        let root = parse("a;b 3\na;c 2\nd 1\nnonsense\n");
        assert_eq!((root.samples, root.depth()), (6, 3));
        assert_eq!(root.below["a"].samples, 5);
        assert_eq!(root.below["a"].below["b"].samples, 3);
    }
}
