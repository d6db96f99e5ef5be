//! Who may come in: passwords, certificates, encryption, what is refused at the start, and what guessing costs.

mod flight;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::json;
use sluice_tests::{
    parts::{certificates::Authority, psql, python},
    pg::Pg,
    server::{Server, command},
    wait::wait_for,
};

const PASSWORD: &str = "the owner's; with spaces & ä";
const ROLES: &str = "
    CREATE ROLE ann LOGIN PASSWORD 'of ann';
    CREATE ROLE group1 PASSWORD 'of a group';
    CREATE ROLE old LOGIN PASSWORD 'of old' VALID UNTIL '2020-01-01';
    CREATE ROLE bare LOGIN;
    CREATE ROLE few LOGIN PASSWORD 'of few' CONNECTION LIMIT 1;
";

fn with_passwords(more: &[&str]) -> Server {
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.add_args(more);
    server.set_env("SLUICE_PASSWORD", PASSWORD);
    server.up();
    server
}

fn owner(server: &Server) -> Pg {
    let quoted = PASSWORD.replace('\'', "\\'");
    Pg::connect_with(server.pg_port(), "sluice", &quoted).unwrap_or_else(|e| panic!("{e}"))
}

fn flight(server: &Server) -> String {
    format!("grpc://127.0.0.1:{}", server.flight_port())
}

/// What psycopg and ADBC are told at their logins.
fn logins(server: &Server, user: &str, password: &str) -> (String, String) {
    let port = server.pg_port().to_string();
    let told = python::run(
        "ask_as.py",
        &[&port, &flight(server), user, password, "[\"SELECT 1\"]"],
    );
    let by = |client: &str| {
        let login = told[client]["login"].as_str().unwrap().to_owned();
        let first = told[client]["outcomes"][0].as_str().map(str::to_owned);
        if login == "ok" { first.unwrap() } else { login }
    };
    (by("psycopg"), by("adbc"))
}

fn psql_as(server: &Server, user: &str, password: Option<&str>, more: &[(&str, &str)]) -> Output {
    let mut command = psql::command(server.pg_port());
    command.args(["-U", user, "-w", "-tAc", "SELECT current_user"]);
    command.envs(more.iter().copied());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[test]
fn a_password_is_asked_and_checked_at_both_doors() {
    let server = with_passwords(&[]);
    owner(&server).run(ROLES);
    assert_eq!(logins(&server, "ann", "of ann"), ("ok".into(), "ok".into()));
    let right = psql_as(&server, "ann", Some("of ann"), &[]);
    assert_eq!(said(&right).trim(), "ann");
    let owner_too = psql_as(&server, "sluice", Some(PASSWORD), &[]);
    assert_eq!(said(&owner_too).trim(), "sluice");
    let none = psql_as(&server, "ann", None, &[]);
    assert!(
        said(&none).contains("no password supplied"),
        "{}",
        said(&none)
    );
    // Wrong, unknown, without one, expired: all the same to a stranger.
    for (user, password) in [
        ("ann", "wrong"),
        ("nobody", "x"),
        ("bare", "x"),
        ("old", "of old"),
    ] {
        let refused = format!("password authentication failed for user \"{user}\"");
        let by_psql = psql_as(&server, user, Some(password), &[]);
        assert!(said(&by_psql).contains(&refused), "{}", said(&by_psql));
        let (psycopg, adbc) = logins(&server, user, password);
        assert!(psycopg.contains(&refused), "{psycopg}");
        assert_eq!(adbc, "28P01", "{user}");
    }
    // Whoever knows the password of a role that may not log in is told so.
    let (psycopg, adbc) = logins(&server, "group1", "of a group");
    assert!(
        psycopg.contains("role \"group1\" is not permitted to log in"),
        "{psycopg}"
    );
    assert_eq!(adbc, "28000");
    // Nobody at all.
    let (_, adbc) = logins(&server, "", "");
    assert_eq!(adbc, "28000");
    // The salt of a name that nobody has is as steady as another's.
    let few = Pg::connect_with(server.pg_port(), "few", "of few").unwrap();
    let second = Pg::connect_with(server.pg_port(), "few", "of few")
        .err()
        .unwrap();
    assert_eq!(second.state, "53300", "{second}");
    drop(few);
    // A password may be changed by whoever has it; PostgreSQL's verifier is as good as the password.
    let ann = Pg::connect_with(server.pg_port(), "ann", "of ann").unwrap();
    ann.run("ALTER ROLE ann PASSWORD 'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU='");
    assert_eq!(logins(&server, "ann", "pencil"), ("ok".into(), "ok".into()));
    assert_ne!(logins(&server, "ann", "of ann").1, "ok");
}

#[test]
fn the_owners_first_password_is_made_up_once_or_taken_from_where_it_was_put() {
    let mut server = Server::idle();
    server.add_args(&["--auth", "password"]);
    server.up();
    let limit = Duration::from_secs(20);
    let line = server.wait("the password", limit, || {
        let text = server.log_text();
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with("password "));
        line.map(str::to_owned)
    });
    let password = line.split_whitespace().nth(1).unwrap().to_owned();
    assert!(password.len() >= 20, "{line}");
    Pg::connect_with(server.pg_port(), "sluice", &password).unwrap();
    let told = Pg::connect_with(server.pg_port(), "sluice", "")
        .err()
        .unwrap();
    assert!(!told.to_string().is_empty());
    let before = server.log_text().len();
    server.kill_and_restart();
    let after = server.log_text();
    let after = after.get(before..).unwrap_or(&after);
    assert!(!after.contains("password "), "{after}");
    Pg::connect_with(server.pg_port(), "sluice", &password).unwrap();

    let mut server = Server::idle();
    let file = server.folder().join("password");
    fs::write(&file, "from a file\n").unwrap();
    server.add_args(&[
        "--auth",
        "password",
        "--owner-password-file",
        file.to_str().unwrap(),
    ]);
    server.up();
    Pg::connect_with(server.pg_port(), "sluice", "from a file").unwrap();
    assert!(!server.log_text().contains("from a file"));
}

#[test]
fn on_loopback_nothing_is_asked_but_the_role_must_be_there() {
    let server = Server::start();
    assert_eq!(server.connect().value("SELECT current_user"), "sluice");
    let refusal = Pg::connect_as(server.pg_port(), "nobody", "sluice")
        .err()
        .unwrap();
    assert_eq!(refusal.state, "28000");
    assert_eq!(refusal.message, "role \"nobody\" does not exist");
}

#[test]
fn a_door_that_is_open_to_others_needs_more_than_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |args: &[&str]| {
        let mut all = vec![
            "serve",
            "--root",
            "root",
            "--pg-listen",
            "0.0.0.0:0",
            "--flight-listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
        ];
        all.extend(args);
        command()
            .args(all)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    for (args, says) in [
        (
            &[][..],
            "--pg-listen 0.0.0.0:0 is open to other machines without encryption",
        ),
        (
            &["--auth", "password"],
            "--tls-cert FILE and --tls-key FILE",
        ),
        (&["--auth", "trust"], "--auth trust lets anybody in"),
        (
            &["--tls-cert", "x"],
            "--tls-cert is given and --tls-key is not",
        ),
        (
            &["--tls-cert", "none.pem", "--tls-key", "none.key"],
            "none.pem cannot be used",
        ),
    ] {
        let output = serve(args);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
        assert!(said(&output).contains("HINT"), "{}", said(&output));
    }
    assert!(
        !folder.path().join("root").exists(),
        "a refused start leaves nothing behind"
    );
}

#[test]
fn insecure_says_what_it_takes() {
    let server = Server::idle();
    let address = format!("0.0.0.0:{}", server.pg_port());
    let mut command = command();
    command
        .args([
            "serve",
            "--root",
            "root",
            "--insecure",
            "--pg-listen",
            &address,
        ])
        .args([
            "--flight-listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
        ])
        .env("SLUICE_PASSWORD", "open")
        .current_dir(server.folder());
    let mut process = command.spawn().unwrap();
    let came = wait_for("the open door", Duration::from_secs(60), || {
        Pg::connect_with(server.pg_port(), "sluice", "open").ok()
    });
    let trusted = Pg::connect_as(server.pg_port(), "sluice", "sluice").err();
    process.kill().unwrap();
    process.wait().unwrap();
    came.unwrap();
    assert!(trusted.is_some(), "passwords are asked beyond loopback");
}

#[test]
fn an_http_door_that_is_open_to_others_says_so_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (address, says) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let path = folder.path().join("log");
        let log = fs::File::create(&path).unwrap();
        let mut process = command()
            .args(["serve", "--root", "root", "--http-listen", address])
            .args([
                "--pg-listen",
                "127.0.0.1:0",
                "--flight-listen",
                "127.0.0.1:0",
            ])
            .current_dir(folder.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let text = || fs::read_to_string(&path).unwrap();
        let ready = wait_for("ready", Duration::from_secs(60), || {
            text().lines().any(|line| line == "ready").then_some(())
        });
        process.kill().unwrap();
        process.wait().unwrap();
        ready.unwrap();
        let warning = format!("--http-listen {address} is open to other machines");
        assert_eq!(text().contains(&warning), says, "{}", text());
    }
}

#[test]
fn both_doors_encrypt_and_clients_can_check_whom_they_talk_to() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("server", "localhost");
    let ca = authority.certificate();
    let server = with_passwords(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    owner(&server).run(ROLES);
    let ca_text = ca.to_str().unwrap();
    let full = [
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", ca_text),
        ("PGCHANNELBINDING", "require"),
    ];
    let output = psql_as(&server, "ann", Some("of ann"), &full);
    assert_eq!(said(&output).trim(), "ann");
    let wrong = psql_as(&server, "ann", Some("wrong"), &full);
    assert!(
        said(&wrong).contains("password authentication failed"),
        "{}",
        said(&wrong)
    );
    let other = Authority::new().certificate();
    let untrusted = [
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", other.to_str().unwrap()),
    ];
    let output = psql_as(&server, "ann", Some("of ann"), &untrusted);
    assert!(!output.status.success(), "{}", said(&output));
    // On this machine one may still come unencrypted.
    let plain = psql_as(&server, "ann", Some("of ann"), &[("PGSSLMODE", "disable")]);
    assert_eq!(said(&plain).trim(), "ann");

    let url = format!("grpc+tls://localhost:{}", server.flight_port());
    let options = json!({
        "postgres": {"host": "localhost", "sslmode": "verify-full", "sslrootcert": ca_text, "channel_binding": "require"},
        "flight": {"adbc.flight.sql.client_option.tls_root_certs": fs::read_to_string(&ca).unwrap()},
    });
    let port = server.pg_port().to_string();
    let told = python::run(
        "ask_as.py",
        &[
            &port,
            &url,
            "ann",
            "of ann",
            "[\"SELECT 1\"]",
            &options.to_string(),
        ],
    );
    assert_eq!(told["psycopg"]["outcomes"], json!(["ok"]), "{told}");
    assert_eq!(told["adbc"]["outcomes"], json!(["ok"]), "{told}");
    let told = python::run(
        "ask_as.py",
        &[&port, &url, "ann", "of ann", "[\"SELECT 1\"]"],
    );
    assert_ne!(told["adbc"]["login"], "ok", "an unknown authority: {told}");
}

/// Spoils the file of a server's certificate, and waits until the server says that it does not take it.
fn break_certificate(server: &Server, cert: &Path) {
    fs::write(cert, "-----BEGIN CERTIFICATE-----\nbroken").unwrap();
    server.wait("the warning", Duration::from_secs(20), || {
        server
            .log_text()
            .contains("the certificate of before stays in use")
            .then_some(())
    });
}

#[test]
fn a_certificate_is_read_again_when_it_changes_and_a_broken_one_is_not_taken() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("server", "localhost");
    let server = with_passwords(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    let first = Authority::serial(&cert);
    assert!(!first.is_empty());
    assert_eq!(Authority::serial_at(server.pg_port()), first);
    let held = owner(&server);
    let (next, next_key) = authority.sign("next", "localhost");
    fs::copy(&next_key, &key).unwrap();
    fs::copy(&next, &cert).unwrap();
    let renewed = Authority::serial(&next);
    assert_ne!(renewed, first);
    server.wait("the new certificate", Duration::from_secs(20), || {
        (Authority::serial_at(server.pg_port()) == renewed).then_some(())
    });
    assert_eq!(held.number("SELECT 1"), 1);
    break_certificate(&server, &cert);
    assert_eq!(Authority::serial_at(server.pg_port()), renewed);
}

#[test]
fn a_certificate_of_ones_own_stands_for_a_password() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("server", "localhost");
    let (ann, ann_key) = authority.sign("ann", "ann");
    let ca = authority.certificate();
    let (ca, ann, ann_key) = (
        ca.to_str().unwrap(),
        ann.to_str().unwrap(),
        ann_key.to_str().unwrap(),
    );
    let server = with_passwords(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
        "--tls-client-ca",
        ca,
    ]);
    owner(&server).run(ROLES);
    let with = |user: &str, cert: &str, key: &str, password: Option<&str>| {
        let more = [
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", ca),
            ("PGSSLCERT", cert),
            ("PGSSLKEY", key),
        ];
        said(&psql_as(&server, user, password, &more))
    };
    assert_eq!(with("ann", ann, ann_key, None).trim(), "ann");
    let other = with("few", ann, ann_key, Some("of few"));
    assert!(
        other.contains("certificate authentication failed for user \"few\""),
        "{other}"
    );
    // Without one a password does.
    let more = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", ca)];
    assert_eq!(
        said(&psql_as(&server, "few", Some("of few"), &more)).trim(),
        "few"
    );
    // Somebody else's authority is nobody's.
    let stranger = Authority::new();
    let (forged, forged_key) = stranger.sign("ann", "ann");
    let told = with(
        "ann",
        forged.to_str().unwrap(),
        forged_key.to_str().unwrap(),
        None,
    );
    assert!(!told.trim().eq("ann"), "{told}");

    let url = format!("grpc+tls://localhost:{}", server.flight_port());
    let text = |path: &str| fs::read_to_string(path).unwrap();
    let options = json!({
        "postgres": {"host": "localhost", "sslmode": "verify-full", "sslrootcert": ca, "sslcert": ann, "sslkey": ann_key},
        "flight": {
            "adbc.flight.sql.client_option.tls_root_certs": text(ca),
            "adbc.flight.sql.client_option.mtls_cert_chain": text(ann),
            "adbc.flight.sql.client_option.mtls_private_key": text(ann_key),
        },
    });
    let port = server.pg_port().to_string();
    let told = python::run(
        "ask_as.py",
        &[
            &port,
            &url,
            "ann",
            "",
            "[\"SELECT 1\"]",
            &options.to_string(),
        ],
    );
    assert_eq!(told["psycopg"]["outcomes"], json!(["ok"]), "{told}");
    assert_eq!(told["adbc"]["outcomes"], json!(["ok"]), "{told}");
}

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What follows a request for encryption unencrypted would be taken for encrypted text (CVE-2021-23214's kind).
#[test]
fn bytes_smuggled_in_before_the_encryption_are_refused() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("server", "localhost");
    let server = with_passwords(&[
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.pg_port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut bytes = SSL_REQUEST.to_vec();
    let body = b"\0\x03\0\0user\0sluice\0database\0sluice\0\0";
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    stream.write_all(&bytes).unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    assert_eq!(told, b"S");
    server.wait("the warning", Duration::from_secs(10), || {
        server
            .log_text()
            .contains("received unencrypted data after SSL request")
            .then_some(())
    });
    // A request alone is answered, and the door goes on.
    let mut stream = TcpStream::connect(("127.0.0.1", server.pg_port())).unwrap();
    stream.write_all(&SSL_REQUEST).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    assert_eq!(owner(&server).number("SELECT 1"), 1);
}

#[test]
fn messages_of_a_login_that_make_no_sense_end_the_connection_and_nothing_else() {
    let server = with_passwords(&[]);
    let body = b"\0\x03\0\0user\0sluice\0database\0sluice\0\0";
    let start = [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat();
    let message =
        |tag: u8, body: &[u8]| [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat();
    for nonsense in [
        message(b'Q', b"SELECT 1\0"),
        message(b'p', b""),
        message(b'p', b"SCRAM-SHA-256"),
        message(b'p', b"SCRAM-SHA-256\0"),
        message(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        message(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x"),
        message(b'p', b"SCRAM-SHA-256\0\0\0\0\x01\xff"),
        message(b'p', b"SCRAM-SHA-256-PLUS\0\0\0\0\x0bp=x,,n=,r=x"),
        message(b'p', b"MD5\0\0\0\0\0"),
        message(b'p', &[b'x'; 20_000]),
        b"p\xff\xff\xff\xff".to_vec(),
        b"p\0\0\0\0".to_vec(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.pg_port())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(&start).unwrap();
        stream.write_all(&nonsense).unwrap();
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        let text = String::from_utf8_lossy(&told);
        assert!(
            text.contains("SCRAM-SHA-256") && text.contains("FATAL"),
            "{nonsense:?}: {text:?}"
        );
        assert!(
            !told.windows(9).any(|w| w == [b'R', 0, 0, 0, 8, 0, 0, 0, 0]),
            "{text:?}"
        );
    }
    assert_eq!(owner(&server).number("SELECT 1"), 1);
}

#[test]
fn guessing_takes_longer_each_time_and_keeps_nobody_else_out() {
    let server = with_passwords(&[]);
    owner(&server).run(ROLES);
    let guess = |user: &str, password: &str| {
        let began = Instant::now();
        let refusal = Pg::connect_with(server.pg_port(), user, password).err();
        (began.elapsed(), refusal)
    };
    for _ in 0..3 {
        let (_, refusal) = guess("ann", "wrong");
        assert_eq!(refusal.unwrap().state, "28P01");
    }
    for _ in 0..3 {
        guess("ann", "wrong");
    }
    // The seventh waits for what the sixth cost: a second. A right one waits as well, or guesses would be free.
    let (took, refusal) = guess("ann", "of ann");
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(refusal.is_none(), "{refusal:?}");
    let (took, refusal) = guess("few", "of few");
    assert!(
        took < Duration::from_millis(900) && refusal.is_none(),
        "{took:?} {refusal:?}"
    );
    for _ in 0..10 {
        guess("bare", "wrong");
        let (_, refusal) = guess("bare", "wrong");
        if refusal.is_some_and(|refusal| refusal.message.contains("too many failed logins")) {
            return;
        }
    }
    panic!("guessing was never refused");
}
