//! What the Postgres door takes for itself: logins, connections that do nothing, results of many rows.

use std::{pin::pin, time::Instant};

use futures::TryStreamExt;
use sluice_tests::{
    pg::{Pg, block_on},
    server::Server,
};

use super::Outcome;
use crate::{
    results::{Line, Run, rank, run},
    settings::Settings,
    usage,
};

const LOGINS: usize = 1_000;
/// A few are kept for the owner.
const IDLE: usize = 997;
const ROWS: [i64; 2] = [1_000_000, 10_000_000];
const PASSWORD: &str = "for the benchmark alone";

/// Measures all of them, each on a server of its own.
pub fn measure(settings: &Settings) -> Result<Outcome, String> {
    let mut open = Line::new("login");
    let mut scram = Line::new("login with a password (SCRAM-SHA-256)");
    let mut idle = Line::new(&format!("{IDLE} idle connections"));
    let mut results = ROWS.map(|rows| Line::new(&format!("{} million rows", rows / 1_000_000)));
    for _ in 0..settings.runs.min(3) {
        eprintln!("[bench] logins, idle connections, long results");
        let server = Server::start();
        let port = server.pg_port();
        open.runs.push(logins(&server, || Pg::connect(port))?);
        drop(server);

        let mut server = Server::idle();
        server.add_args(&["--auth", "password"]);
        server.set_env("SLUICE_PASSWORD", PASSWORD);
        server.up();
        let port = server.pg_port();
        let with_password = || Pg::connect_with(port, "sluice", PASSWORD);
        scram.runs.push(logins(&server, with_password)?);
        drop(server);

        idle.runs.push(connections()?);
        for (line, rows) in results.iter_mut().zip(ROWS) {
            line.runs.push(result(rows)?);
        }
    }
    let mut outcome = Outcome::new(
        "every login is answered by a row; every row of the long results is there, with its own numbers",
    )
    .given("logins", LOGINS)
    .line(open)
    .line(scram)
    .line(idle);
    outcome.lines.extend(results);
    Ok(outcome)
}

/// One after the other, each with the first answer of its session awaited outside of the time.
fn logins<E: std::fmt::Display>(
    server: &Server,
    connect: impl Fn() -> Result<Pg, E>,
) -> Result<Run, String> {
    let mut times = Vec::new();
    let mut cpu_s = 0.0;
    let mut before = usage::cpu_s(server.pid());
    for n in 0..LOGINS {
        let begun = Instant::now();
        let pg = connect().map_err(|e| format!("login {n}: {e}"))?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        // Processor time is counted in hundredths of a second: looked at now and then, without the statements.
        if n % 100 == 99 {
            cpu_s += usage::cpu_s(server.pid()) - before;
            if pg.value("SELECT 1") != "1" {
                return Err("SELECT 1 is not 1".into());
            }
            before = usage::cpu_s(server.pid());
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    let of = |q: f64| rank(&times, q).ok_or("nobody has logged in");
    Ok(run([
        ("p50_ms", of(0.5)?),
        ("p99_ms", of(0.99)?),
        ("login_cpu_ms", cpu_s * 1000.0 / LOGINS as f64),
    ]))
}

/// Connections that have logged in and ask nothing.
fn connections() -> Result<Run, String> {
    let server = Server::start();
    let connect = || Pg::connect(server.pg_port()).map_err(|e| e.to_string());
    // What the first sessions need once.
    let first: Vec<Pg> = (0..20).map(|_| connect()).collect::<Result<_, _>>()?;
    drop(first);
    let before = server.memory_mib("VmRSS");
    let open: Vec<Pg> = (0..IDLE).map(|_| connect()).collect::<Result<_, _>>()?;
    let more_mib = server.memory_mib("VmRSS") - before;
    if open.last().is_none_or(|pg| pg.value("SELECT 1") != "1") {
        return Err("the last connection does not answer".into());
    }
    Ok(run([("more_mib", more_mib)]))
}

/// A result of so many rows, read as it comes.
fn result(rows: i64) -> Result<Run, String> {
    let server = Server::start();
    let pg = server.connect();
    // What the first query needs once.
    pg.run("SELECT n, n * 0.5 AS half, 'row ' || n AS name FROM generate_series(1, 1000) AS s(n)");
    let resident = server.memory_mib("VmRSS");
    let sql = format!(
        "SELECT n, n::DOUBLE PRECISION / 2 AS half, 'row ' || n AS name FROM generate_series(1, {rows}) AS s(n)"
    );
    let (cpu, start) = (usage::cpu_s(server.pid()), Instant::now());
    let found = block_on(async {
        let nothing: [i64; 0] = [];
        let stream = pg.client().query_raw(&sql, nothing).await?;
        let mut stream = pin!(stream);
        // Nobody asked for an order.
        let (mut found, mut sum) = (0, 0);
        while let Some(row) = stream.try_next().await? {
            let n = row.try_get::<_, i64>(0)?;
            let name = row.try_get::<_, &str>(2)?.strip_prefix("row ");
            if row.try_get::<_, f64>(1)? != n as f64 / 2.0
                || name.is_none_or(|name| name.parse() != Ok(n))
            {
                return Ok(Err(format!("the row of {n} is wrong")));
            }
            found += 1;
            sum += n;
        }
        if sum != rows * (rows + 1) / 2 {
            return Ok(Err(format!("the numbers of {rows} rows sum up to {sum}")));
        }
        Ok::<_, tokio_postgres::Error>(Ok(found))
    });
    let found = found.map_err(|e| format!("{rows} rows: {e}"))??;
    if found != rows {
        return Err(format!("{found} rows came, of {rows}"));
    }
    let (wall_s, cpu_s) = (
        start.elapsed().as_secs_f64(),
        usage::cpu_s(server.pid()) - cpu,
    );
    Ok(run([
        ("rows_per_cpu_s", rows as f64 / cpu_s),
        ("rows_per_s", rows as f64 / wall_s),
        ("more_mib", server.memory_mib("VmHWM") - resident),
    ]))
}
