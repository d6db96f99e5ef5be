//! Ours: a `sluice serve` on a root of its own, asked over the Postgres wire.

use std::{
    fs,
    time::{Duration, Instant},
};

use sluice_tests::{job, parts::kafka::Broker, pg::Pg, server::Server};

use super::{Drained, Left};
use crate::{topic::Topic, usage};

const GOLD: &str = "gold.real_time_metrics";
const LIMIT: Duration = Duration::from_secs(1800);
/// How often it is asked whether everything is committed where no commit is seen.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The whole script, from an empty root until everything final is committed.
pub fn drain(broker: &Broker, topic: &Topic) -> Result<Drained, String> {
    let server = Server::start();
    let pg = server.connect();
    let script = job::script(&broker.bootstrap(), &topic.name);
    let (cpu, broker_cpu) = (usage::cpu_s(server.pid()), usage::cpu_s(broker.pid()));
    let start = Instant::now();
    pg.run(&script);
    job::wait_drained(&server, &pg, GOLD, &topic.shape, LIMIT);
    let wall_s = start.elapsed().as_secs_f64();
    wait_committed(&server, &pg);
    let cpu_s = usage::cpu_s(server.pid()) - cpu;
    let broker_cpu_s = usage::cpu_s(broker.pid()) - broker_cpu;
    let peak_mib = server.memory_mib("VmHWM");
    let late = job::read_late(&pg, GOLD);
    if !late.is_empty() {
        return Err(format!("{} rows were late, and none may be", late.len()));
    }
    let found = dead_letters(&server, &pg, topic.malformed);
    if found != topic.malformed {
        return Err(format!(
            "{found} dead letters, {} messages do not decode",
            topic.malformed
        ));
    }
    Ok(Drained {
        wall_s,
        cpu_s,
        broker_cpu_s,
        peak_mib,
        left: Left::of(server.root()),
        gold: job::read_gold(&pg, GOLD),
    })
}

/// Waits until everything final is committed. The server is asked when its table has a new version and seldom else: answers take processor
/// time, which is what is measured.
fn wait_committed(server: &Server, pg: &Pg) {
    let log = server
        .table_dir("gold", "real_time_metrics")
        .join("_delta_log");
    let versions = || fs::read_dir(&log).map_or(0, Iterator::count);
    loop {
        let (known, asked) = (versions(), Instant::now());
        if job::is_committed(pg, GOLD) {
            return;
        }
        server.wait("a commit", LIMIT, || {
            (versions() != known || asked.elapsed() > ASK_AGAIN).then_some(())
        });
    }
}

/// How many messages did not decode; waits until as many as expected are committed.
fn dead_letters(server: &Server, pg: &Pg, expected: usize) -> usize {
    let sql = "SELECT count(*) FROM events__dead_letter";
    if expected > 0 {
        server.wait("dead letters", Duration::from_secs(60), || {
            (pg.number(sql) >= expected as i64).then_some(())
        });
    }
    usize::try_from(pg.number(sql)).unwrap_or_default()
}
