//! Roots, ports, configuration and disks that cannot be used: the process says so and leaves with the right code, or waits and goes on.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use sluice_tests::{
    job,
    load::Shape,
    parts::kafka::Broker,
    process::spawn,
    server::{Server, command},
    wait::wait_for,
};

use crate::support::{SOON, Watched};

/// Runs a command that must end by itself within 20 s.
pub(crate) fn ends(mut command: Command) -> Output {
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let what = format!("{command:?}");
    let mut child = spawn(command).unwrap();
    let ended = wait_for(&format!("{what} to end"), Duration::from_secs(20), || {
        child.try_wait().unwrap()
    });
    if ended.is_err() {
        child.kill().ok();
    }
    let output = child.wait_with_output().unwrap();
    assert!(
        ended.is_ok(),
        "{what} did not end:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// It left with `code` and said each of `says`; what it said.
pub(crate) fn left_saying(output: &Output, code: i32, says: &[&str]) -> String {
    let err = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "exit code; said:\n{err}");
    for said in says {
        assert!(err.contains(said), "should say {said:?}, but says:\n{err}");
    }
    assert!(!err.contains("panicked"), "{err}");
    err
}

fn quiet(mut command: Command) -> Command {
    let null = std::process::Stdio::null;
    command.stdout(null()).stderr(null());
    command
}

#[test]
fn a_root_held_by_another_server_is_refused_and_the_holder_goes_on() {
    let mut first = Server::start();
    let mut second = command();
    let other = Server::idle();
    second.args(["serve", "--root"]).arg(first.root());
    for (flag, port) in [
        ("--pg-listen", other.pg_port()),
        ("--flight-listen", other.flight_port()),
        ("--http-listen", other.http_port()),
    ] {
        second.arg(flag).arg(format!("127.0.0.1:{port}"));
    }
    let pid = first.pid().to_string();
    let root = first.root().display().to_string();
    left_saying(
        &ends(second),
        3,
        &[&root, "in use by another server", &pid, "--root"],
    );
    assert_eq!(first.connect().value("SELECT 1"), "1");
    assert!(first.is_running());
}

#[test]
fn a_root_of_a_newer_version_is_refused_untouched() {
    let server = Server::idle();
    fs::create_dir_all(server.root()).unwrap();
    fs::write(server.root().join("FORMAT"), "999\n").unwrap();
    left_saying(
        &ends(server.serve_command()),
        3,
        &["format 999", "newer version"],
    );
    let left: Vec<String> = fs::read_dir(server.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "LOCK")
        .collect();
    assert_eq!(left, ["FORMAT"]);
    assert_eq!(
        fs::read_to_string(server.root().join("FORMAT")).unwrap(),
        "999\n"
    );
}

#[test]
fn a_root_that_cannot_be_made_is_refused() {
    let server = Server::idle();
    let file = server.root().parent().unwrap().join("a-file");
    fs::write(&file, "x").unwrap();
    let mut command = command();
    command.args(["serve", "--root"]).arg(file.join("root"));
    for flag in ["--pg-listen", "--flight-listen", "--http-listen"] {
        command.arg(flag).arg("127.0.0.1:0");
    }
    left_saying(&ends(command), 3, &["a-file"]);
}

#[test]
fn a_port_in_use_is_refused_by_its_number() {
    for door in ["pg", "flight", "http"] {
        let server = Server::idle();
        let port = match door {
            "pg" => server.pg_port(),
            "flight" => server.flight_port(),
            _ => server.http_port(),
        };
        let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = format!("127.0.0.1:{port}");
        left_saying(
            &ends(server.serve_command()),
            3,
            &[&address, "in use", &format!("--{door}-listen")],
        );
    }
}

#[test]
fn a_misspelt_configuration_key_is_refused_by_name_with_the_nearest_one() {
    let server = Server::idle();
    let file = server.root().parent().unwrap().join("sluice.toml");
    fs::write(&file, "pg_lisen = \"127.0.0.1:5455\"\n").unwrap();
    let mut command = server.serve_command();
    command.arg("--config").arg(&file);
    left_saying(&ends(command), 1, &["pg_lisen", "pg_listen", "sluice.toml"]);

    fs::write(&file, "root = [1, 2\n").unwrap();
    let mut command = server.serve_command();
    command.arg("--config").arg(&file);
    left_saying(&ends(command), 1, &["sluice.toml"]);

    let mut command = server.serve_command();
    command
        .arg("--config")
        .arg(file.with_file_name("nowhere.toml"));
    let output = ends(command);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.toml"));

    let mut command = server.serve_command();
    command.env("SLUICE_PG_LISEN", "127.0.0.1:1");
    left_saying(&ends(command), 1, &["SLUICE_PG_LISEN", "SLUICE_PG_LISTEN"]);
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let mut server = Server::idle();
    let file = server.root().parent().unwrap().join("sluice.toml");
    fs::write(
        &file,
        "pg_listen = \"127.0.0.1:1\"\nflight_listen = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    // serve_command gives every address by flag: they win
    let mut with_flags = server.serve_command();
    with_flags.arg("--config").arg(&file);
    let mut child = spawn(quiet(with_flags)).unwrap();
    let answers = |port| {
        wait_for("readyz", SOON, || {
            sluice_tests::server::get(port, "/readyz")
                .ok()
                .filter(|(status, _)| *status == 200)
        })
    };
    let ready = answers(server.http_port());
    child.kill().ok();
    child.wait().ok();
    ready.unwrap();

    let mut with_env = command();
    with_env
        .arg("serve")
        .arg("--config")
        .arg(&file)
        .env("SLUICE_ROOT", server.root())
        .env(
            "SLUICE_PG_LISTEN",
            format!("127.0.0.1:{}", server.pg_port()),
        )
        .env(
            "SLUICE_FLIGHT_LISTEN",
            format!("127.0.0.1:{}", server.flight_port()),
        )
        .env(
            "SLUICE_HTTP_LISTEN",
            format!("127.0.0.1:{}", server.http_port()),
        );
    let mut child = spawn(quiet(with_env)).unwrap();
    let ready = answers(server.http_port());
    let value = server.try_connect().map(|pg| pg.value("SELECT 1"));
    child.kill().ok();
    child.wait().ok();
    ready.unwrap();
    assert_eq!(value, Ok("1".to_owned()));
    server.kill();
}

#[test]
fn a_bad_listen_address_is_a_usage_error() {
    let server = Server::idle();
    let mut command = command();
    command.args(["serve", "--pg-listen", "nonsense", "--root"]);
    command.arg(server.root());
    let output = ends(command);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("nonsense"), "{err}");
}

/// A disk that fails, by a shim between the server and the C library: writes below the root fail while a flag file exists.
fn a_failing_disk_is_waited_out(stem: &str, errno: i32, says: &[&str], refused_with: &str) {
    let broker = Broker::shared();
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("full");
    let library = preloaded("enospc.c", dir.path());

    let shape = Shape::of(5_000, 81);
    let mut it = Watched::start(broker, stem, 2);
    it.server.kill();
    it.server.set_env("LD_PRELOAD", &library);
    it.server.set_env("ENOSPC_FLAG", &flag);
    it.server.set_env("ENOSPC_ERRNO", errno.to_string());
    let root = it.server.root().to_owned();
    it.server.set_env("ENOSPC_BELOW", &root);
    it.server.up();
    it.pg = it.server.connect();
    let options = "commit_interval = '500 milliseconds'";
    it.pg
        .run(&job::script_with(&broker.bootstrap(), &it.topic, options));
    it.producer.send_all(&shape);
    it.producer.flush();

    fs::write(&flag, "").unwrap();
    let gold = "gold.real_time_metrics";
    it.producer.close_windows(shape.closing_ms());
    it.server.wait(
        "system.queries to say what is wrong with the disk",
        SOON,
        || {
            let error = it.query_status(gold, "coalesce(last_error, '')");
            says.iter().any(|said| error.contains(said)).then_some(())
        },
    );
    assert!(it.server.is_running());
    it.pg
        .refused("CREATE VIEW v AS SELECT 1", refused_with, &says[..1]);
    assert!(
        it.pg.run("SHOW VIEWS").len() == 1,
        "a view that could not be written is there"
    );

    fs::remove_file(&flag).unwrap();
    job::wait_drained(&it.server, &it.pg, gold, &shape, Duration::from_secs(120));
    job::wait_committed(&it.server, &it.pg, gold, SOON);
    it.check_gold(gold, shape.closing_ms());
    it.server.kill_and_restart();
    it.pg = it.server.connect();
    job::wait_drained(&it.server, &it.pg, gold, &shape, SOON);
    it.check_gold(gold, shape.closing_ms());
    crate::support::check_conservation(&it.server, &it.pg, &it.producer, gold, "events");
}

/// A C file of the tests as a library to put before the C library.
pub(crate) fn preloaded(source: &str, into: &Path) -> PathBuf {
    let library = into.join(source).with_extension("so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(sluice_tests::folder().join("src/parts").join(source))
        .arg("-ldl")
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    library
}

#[test]
fn a_full_disk_is_said_and_waited_out_without_loss() {
    let says = ["disk", "No space left"];
    a_failing_disk_is_waited_out("full", 28, &says, "53100");
}

#[test]
fn a_read_only_disk_is_said_and_waited_out_without_loss() {
    let says = ["read-only", "Read-only"];
    a_failing_disk_is_waited_out("readonly", 30, &says, "58030");
}

/// What was written and could not be synced is thrown away and written anew: fsync reports an error once only.
#[test]
fn a_disk_that_fails_is_said_and_nothing_unsynced_is_taken_for_written() {
    let says = ["input/output error", "Input/output error"];
    a_failing_disk_is_waited_out("failing", 5, &says, "58030");
}
