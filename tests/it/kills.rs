//! SIGKILL at random moments under load: nothing lost, nothing twice, and what was once read as final stays as it was.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sluice_tests::{delta_log::DeltaLog, job, parts::kafka::Broker, server::Server};

use crate::{
    support::setting,
    under_load::{PARTITIONS, Shown, Stop, finish, gold_log, load, produce, rows_everywhere},
};

#[test]
fn twenty_kills_under_load_lose_nothing_and_double_nothing() {
    let kills = setting("SLUICE_TEST_KILLS", 20);
    under_load(Server::start(), kills, gold_log);
}

/// Kills a running server over and over while a producer feeds it; `log` reads the table's log, where that is files.
pub(crate) fn under_load(mut server: Server, kills: usize, log: impl Fn(&Server) -> DeltaLog) {
    let seed = setting("SLUICE_TEST_SEED", 20_261_122) as u64;
    eprintln!("{kills} kills, seed {seed} (SLUICE_TEST_KILLS, SLUICE_TEST_SEED)");
    let mut rng = StdRng::seed_from_u64(seed);
    let broker = Broker::shared();
    let topic = broker.fresh_topic("kills", PARTITIONS as i32);
    let stop = Arc::new(AtomicBool::new(false));
    let shape = load(kills * 30, seed);
    thread::scope(|scope| {
        // set on a panic as well, or the scope would wait for the producer to come to its end
        let _stop = Stop(&stop);
        let producing = scope.spawn(|| produce(broker, &topic, &shape, &stop));
        rows_everywhere(broker, &topic, PARTITIONS);
        server.connect().run(&job::script_with(
            &broker.bootstrap(),
            &topic,
            "commit_interval = '400 milliseconds'",
        ));
        let mut shown = Shown::default();
        for kill in 1..=kills {
            let life = Duration::from_millis(rng.random_range(50..2_500));
            let end = Instant::now() + life;
            while Instant::now() < end {
                shown.look(&server, kill);
                thread::sleep(Duration::from_millis(rng.random_range(1..120)));
            }
            server.kill();
            if rng.random_range(0..4) == 0 {
                // again, in the middle of recovery
                server.launch();
                thread::sleep(Duration::from_millis(rng.random_range(20..800)));
                server.kill();
            }
            server.up();
        }
        stop.store(true, Ordering::Relaxed);
        let mut producer = producing.join().unwrap();
        finish(&server, &mut producer, &shape, &mut shown, kills / 2, log);
    });
}
