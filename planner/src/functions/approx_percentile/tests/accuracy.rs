//! The table of `docs/sql/percentiles.md`, computed: what stands there is what comes out.

use super::*;

const VALUES: usize = 100_000;
const PARTS: usize = 100;
const PERCENTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// Even draws from (0, 1), the same on every run.
fn draws() -> impl FnMut() -> f64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// A standard normal draw (Box and Muller).
fn normal(draw: &mut impl FnMut() -> f64) -> f64 {
    (-2.0 * draw().ln()).sqrt() * (std::f64::consts::TAU * draw()).cos()
}

fn distributions() -> Vec<(&'static str, Vec<f64>)> {
    let mut draw = draws();
    let many = |value: &mut dyn FnMut() -> f64| (0..VALUES).map(|_| value()).collect();
    vec![
        ("uniform, 0 to 1,000", many(&mut || draw() * 1000.0)),
        ("normal, 100 ± 15", {
            let mut draw = draws();
            many(&mut || 100.0 + 15.0 * normal(&mut draw))
        }),
        ("lognormal, σ = 1.5", {
            let mut draw = draws();
            many(&mut || (1.5 * normal(&mut draw)).exp())
        }),
        ("Zipf, s = 1.5", {
            let mut draw = draws();
            many(&mut || draw().powf(-2.0).min(1e12).floor())
        }),
        ("constant, 42.42", many(&mut || 42.42)),
        ("mixed signs, -500 to 500", {
            let mut draw = draws();
            many(&mut || draw() * 1000.0 - 500.0)
        }),
    ]
}

/// The answer over the parts, merged in this order, and the bytes of the state it was told from.
fn merged(
    parts: &[ArrayRef],
    order: &[usize],
    percentile: f64,
    grain: Grain,
) -> (Option<f64>, usize) {
    let new_groups = || PercentileGroups::new(Asked::One(percentile), Some(grain));
    let mut last = new_groups();
    for part in order {
        let values = Arc::clone(&parts[*part]);
        let mut own = new_groups();
        let groups = vec![0; values.len()];
        own.update_batch(&[values], &groups, None, 1).unwrap();
        let states = own.state(EmitTo::All).unwrap();
        last.merge_batch(&states, &[0], 1).unwrap();
    }
    let mut copy = new_groups();
    let states = last.state(EmitTo::All).unwrap();
    let bytes = states[0].as_binary::<i32>().value(0).len();
    copy.merge_batch(&states, &[0], 1).unwrap();
    (answers(&mut copy, EmitTo::All)[0], bytes)
}

#[test]
fn the_table_of_the_docs_is_what_comes_out() {
    let forward: Vec<usize> = (0..PARTS).collect();
    let backward: Vec<usize> = (0..PARTS).rev().collect();
    let jumping: Vec<usize> = (0..PARTS).map(|part| part * 37 % PARTS).collect();
    let mut table = String::new();
    for (name, values) in distributions() {
        let parts: Vec<ArrayRef> = values.chunks(VALUES / PARTS).map(column).collect();
        let mut line = format!("| {name} |");
        let mut bytes = 0;
        for percentile in PERCENTILES {
            let exact = by_definition(&values, percentile).unwrap();
            let (answer, size) = merged(&parts, &forward, percentile, Grain::DEFAULT);
            for order in [&backward, &jumping] {
                assert!(
                    same(answer, merged(&parts, order, percentile, Grain::DEFAULT).0),
                    "{name}"
                );
            }
            assert!(same(answer, at_once(&values, percentile)), "{name}");
            let off = ((answer.unwrap() - exact) / exact).abs();
            assert!(off <= 0.005, "{name}: {off}");
            line.push_str(&format!(" {exact:.2} | {:.2} % |", off * 100.0));
            bytes = size;
        }
        table.push_str(&format!("{line} {bytes} |\n"));
    }
    check_page(&table);
}

#[test]
fn the_table_of_accuracies_is_what_comes_out() {
    let forward: Vec<usize> = (0..PARTS).collect();
    let jumping: Vec<usize> = (0..PARTS).map(|part| part * 37 % PARTS).collect();
    let mut table = String::new();
    for (name, values) in distributions() {
        let parts: Vec<ArrayRef> = values.chunks(VALUES / PARTS).map(column).collect();
        let mut line = format!("| {name} |");
        for accuracy in [256, 1_000, 10_000, 100_000] {
            let grain = Grain::of_argument(&accuracy.into()).unwrap();
            let (mut worst, mut bytes) = (0_f64, 0);
            for percentile in PERCENTILES {
                let exact = by_definition(&values, percentile).unwrap();
                let (answer, size) = merged(&parts, &forward, percentile, grain);
                let other = merged(&parts, &jumping, percentile, grain).0;
                assert!(same(answer, other), "{name}");
                worst = worst.max(((answer.unwrap() - exact) / exact).abs());
                bytes = size;
            }
            assert!(worst <= 1.0 / f64::from(accuracy), "{name}: {worst}");
            line.push_str(&format!(" {:.4} % | {bytes} |", worst * 100.0));
        }
        table.push_str(&format!("{line}\n"));
    }
    check_page(&table);
}

fn check_page(table: &str) {
    let home = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let page = format!("{home}/../docs/sql/percentiles.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(table),
        "docs/sql/percentiles.md should say:\n{table}"
    );
}
