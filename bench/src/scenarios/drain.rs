//! A preloaded topic drained as fast as it goes, a shorter and a longer one: the difference is what events cost, without starting.

use super::{Bench, Outcome};
use crate::{
    engines::{Drained, Engine},
    results::{Line, Run, run},
    topic::{Mix, PARTITIONS, Topic},
};

/// By every engine in turn; each answer is checked.
pub fn measure(bench: &Bench, mix: Mix) -> Result<Outcome, String> {
    let (settings, broker) = (&bench.settings, &bench.broker);
    let engines = Engine::side_by_side(settings);
    let [longer, shorter] = match engines.len() {
        1 => settings.events,
        _ => settings.peer_events,
    };
    for engine in &engines {
        engine.install()?;
    }
    let topics =
        [shorter, longer].map(|events| Topic::preload(broker, events, mix, &settings.codec));
    let [few, many] = &topics;
    let runs = match mix {
        Mix::Clean => settings.runs,
        Mix::Dirty => settings.dirty_runs,
    };
    let mut lines: Vec<Line> = engines
        .iter()
        .map(|engine| Line::new(engine.name()))
        .collect();
    // ours takes seconds: more runs of it cost nothing, but a ratio wants neighbours, so each has as many
    for n in 1..=runs {
        for (engine, line) in engines.iter().zip(&mut lines) {
            let figures = pair(*engine, bench, [few, many])?;
            eprintln!(
                "[bench] {mix:?} drain, run {n} of {runs}: {}: {:.2} and {:.2} CPU-seconds, {:.1} and {:.1} s",
                engine.name(),
                figures["short_cpu_s"],
                figures["long_cpu_s"],
                figures["short_wall_s"],
                figures["long_wall_s"],
            );
            line.runs.push(figures);
        }
    }
    for topic in &topics {
        broker.delete_topic(&topic.name);
    }
    let mut outcome = Outcome::new("every row of every run equals the oracle")
        .given("events", format!("{shorter} and {longer}"))
        .given("bytes each", many.bytes_each)
        .given("partitions", PARTITIONS)
        .given("compression", &settings.codec)
        .given("messages that are no JSON", many.malformed);
    outcome.lines = lines;
    Ok(outcome)
}

/// One run of one engine: both topics.
pub fn pair(engine: Engine, bench: &Bench, [few, many]: [&Topic; 2]) -> Result<Run, String> {
    let drained = |topic: &Topic| -> Result<(Drained, usize), String> {
        let mut drained = engine.drain(&bench.broker, topic)?;
        let gold = std::mem::take(&mut drained.gold);
        let rows = topic
            .check(gold, engine.percentile())
            .map_err(|e| format!("{}: {e}", engine.name()))?;
        Ok((drained, rows))
    };
    let ((short, _), (long, rows)) = (drained(few)?, drained(many)?);
    let more = (many.events - few.events) as f64;
    let cpu_s = long.cpu_s - short.cpu_s;
    let wall_s = long.wall_s - short.wall_s;
    let mut figures = run([
        (
            "total_cpu_s_per_million",
            long.cpu_s / many.events as f64 * 1e6,
        ),
        ("total_events_per_s", many.events as f64 / long.wall_s),
        ("short_cpu_s", short.cpu_s),
        ("long_cpu_s", long.cpu_s),
        ("short_wall_s", short.wall_s),
        ("long_wall_s", long.wall_s),
        ("peak_mib", short.peak_mib.max(long.peak_mib)),
        ("left_mib", long.left.bytes as f64 / f64::from(1 << 20)),
        ("data_files", long.left.data_files as f64),
        ("commits", long.left.commits as f64),
        ("rows", rows as f64),
    ]);
    // topics too short for their difference to be more than noise have no such figure
    let broker_cpu_s = long.broker_cpu_s - short.broker_cpu_s;
    let marginal = [
        ("cpu_s_per_million", cpu_s / more * 1e6),
        ("broker_cpu_s_per_million", broker_cpu_s / more * 1e6),
        ("events_per_s", more / wall_s),
    ];
    let told = marginal.into_iter().filter(|(_, figure)| *figure > 0.0);
    figures.extend(told.map(|(name, figure)| (name.to_owned(), figure)));
    Ok(figures)
}
