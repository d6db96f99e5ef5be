//! The Flight SQL door's certificates and what guessing costs there.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use arrow_flight::sql::client::FlightSqlServiceClient;
use serde_json::{Value, json};
use sluice_tests::{
    parts::{certificates::Authority, python},
    pg::{Pg, block_on},
    server::Server,
};
use tonic::transport::Endpoint;

use super::{PASSWORD, ROLES, break_certificate, owner, with_passwords};

/// Where clients of a test come from, and where others do: both are this machine.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Beside the others: nothing is the matter with her.
const KIM: &str = "CREATE ROLE kim LOGIN PASSWORD 'of kim'";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_client_of_flight_sees_a_certificate_that_was_read_again() {
    // Of another authority, so that a client can tell the two apart by whom it trusts.
    let (old, new) = (Authority::new(), Authority::new());
    let (cert, key) = old.sign("server", "localhost");
    let (next, next_key) = new.sign("next", "localhost");
    let server = with_passwords(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    owner(&server).run(ROLES);
    assert_eq!(
        Authority::serial_at_flight(server.flight_port()),
        Authority::serial(&cert)
    );
    let url = format!("grpc+tls://localhost:{}", server.flight_port());
    let (trusts_old, trusts_new) = (old.certificate(), new.certificate());
    let told = python::run(
        "flight_renewed.py",
        &[
            &url,
            "ann",
            "of ann",
            text(&trusts_old),
            text(&trusts_new),
            text(&cert),
            text(&key),
            text(&next),
            text(&next_key),
        ],
    );
    let expected = json!({
        "old before": "ok", "new before": "refused",
        "renewed": true, "held": 1,
        "old after": "refused", "new after": "ok",
    });
    assert_eq!(told, expected, "{}", server.log_tail());
    let renewed = Authority::serial(&next);
    assert_eq!(Authority::serial_at_flight(server.flight_port()), renewed);
    // A broken one is not taken at this door either.
    break_certificate(&server, &cert);
    assert_eq!(Authority::serial_at_flight(server.flight_port()), renewed);
}

#[test]
fn a_certificate_at_the_door_of_flight_is_for_whom_it_names_alone() {
    let authority = Authority::new();
    let (cert, key) = authority.sign("server", "localhost");
    let ann = authority.sign("ann", "ann");
    let nobody = authority.sign("nobody", "nobody");
    let stranger = Authority::new();
    let forged = stranger.sign("ann", "ann");
    let ca = authority.certificate();
    let server = with_passwords(&[
        "--tls-cert",
        text(&cert),
        "--tls-key",
        text(&key),
        "--tls-client-ca",
        text(&ca),
    ]);
    owner(&server).run(ROLES);
    owner(&server).run(KIM);
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let url = format!("grpc+tls://localhost:{}", server.flight_port());
    let port = server.pg_port().to_string();
    let ask = |user: &str, password: &str, shown: Option<&(PathBuf, PathBuf)>| -> String {
        let mut options = json!({"adbc.flight.sql.client_option.tls_root_certs": read(&ca)});
        if let Some((cert, key)) = shown {
            options["adbc.flight.sql.client_option.mtls_cert_chain"] = read(cert).into();
            options["adbc.flight.sql.client_option.mtls_private_key"] = read(key).into();
        }
        let options = json!({"flight": options}).to_string();
        let statements = "[\"SELECT 1\"]";
        let told = python::run(
            "ask_as.py",
            &[&port, &url, user, password, statements, &options],
        );
        outcome(&told["adbc"])
    };
    assert_eq!(ask("ann", "", Some(&ann)), "ok");
    // Without a name: who it is stands in the certificate.
    assert_eq!(ask("", "", Some(&ann)), "ok");
    // It stands for nobody else, whatever else is shown.
    assert_eq!(ask("kim", "of kim", Some(&ann)), "28000");
    assert_eq!(ask("nobody", "", Some(&nobody)), "28000");
    // Without one a password is asked as ever.
    assert_eq!(ask("kim", "of kim", None), "ok");
    assert_eq!(ask("ann", "wrong", None), "28P01");
    assert_eq!(ask("", "", None), "28000");
    // Somebody else's authority is nobody's, and the connection ends before anything is asked.
    let told = ask("ann", "of ann", Some(&forged));
    assert!(told != "ok" && !told.starts_with("28"), "{told}");
    // What was refused harms no later client.
    assert_eq!(ask("ann", "", Some(&ann)), "ok");
}

/// How a login went, and if well the statement after it.
fn outcome(told: &Value) -> String {
    let login = told["login"].as_str().unwrap();
    let first = told["outcomes"][0].as_str();
    first.unwrap_or(login).to_owned()
}

/// One handshake of a new client: how long it took, and why it was refused.
fn handshake(
    server: &Server,
    from: Ipv4Addr,
    user: &str,
    password: &str,
) -> (Duration, Option<String>) {
    block_on(async {
        let address = format!("http://127.0.0.1:{}", server.flight_port());
        let endpoint = Endpoint::from_shared(address).unwrap();
        let endpoint = endpoint.local_address(Some(IpAddr::V4(from)));
        let mut client = FlightSqlServiceClient::new(endpoint.connect().await.unwrap());
        let began = Instant::now();
        let answer = client.handshake(user, password).await;
        (began.elapsed(), answer.err().map(|error| error.to_string()))
    })
}

/// What a wait of a second is told from one that is none by.
const NEARLY_A_SECOND: Duration = Duration::from_millis(900);

#[test]
fn guessing_over_flight_takes_longer_each_time_and_keeps_nobody_else_out() {
    let server = with_passwords(&[]);
    owner(&server).run(ROLES);
    owner(&server).run(KIM);
    for _ in 0..6 {
        let (_, refusal) = handshake(&server, HERE, "ann", "wrong");
        let refusal = refusal.unwrap();
        assert!(refusal.contains("28P01"), "{refusal}");
    }
    // The seventh waits for what the sixth cost: a second. Others do not, from the same place or for the same role from elsewhere.
    let (took, refusal) = handshake(&server, HERE, "kim", "of kim");
    assert!(
        took < NEARLY_A_SECOND && refusal.is_none(),
        "{took:?} {refusal:?}"
    );
    let (took, refusal) = handshake(&server, ELSEWHERE, "ann", "of ann");
    assert!(
        took < NEARLY_A_SECOND && refusal.is_none(),
        "{took:?} {refusal:?}"
    );
    // A wrong one more, so that it is the wait of this door that is seen at the other: failures count wherever they were made.
    let (_, refusal) = handshake(&server, HERE, "ann", "wrong");
    assert!(refusal.is_some_and(|refusal| refusal.contains("28P01")));
    let began = Instant::now();
    let right = Pg::connect_with(server.pg_port(), "ann", "of ann").err();
    let took = began.elapsed();
    assert!(took >= NEARLY_A_SECOND, "{took:?}");
    assert!(right.is_none(), "{right:?}");
    // Whoever goes on guessing is not answered any more at all, and is told when.
    let refused = (0..20).find_map(|_| {
        let (_, refusal) = handshake(&server, HERE, "bare", "wrong");
        refusal.filter(|refusal| refusal.contains("too many failed logins"))
    });
    let refused = refused.expect("guessing is refused in the end");
    assert!(
        refused.contains("28000") && refused.contains("Try again in"),
        "{refused}"
    );
    // And from elsewhere all go on as if nothing were.
    for (user, password) in [("ann", "of ann"), ("sluice", PASSWORD)] {
        let (took, refusal) = handshake(&server, ELSEWHERE, user, password);
        assert!(
            took < NEARLY_A_SECOND && refusal.is_none(),
            "{user}: {took:?} {refusal:?}"
        );
    }
}

/// A password in every call, without a handshake, is a guess as well.
#[test]
fn guessing_by_calls_without_a_handshake_costs_as_much() {
    let server = with_passwords(&[]);
    owner(&server).run(ROLES);
    owner(&server).run(KIM);
    let url = format!("grpc://127.0.0.1:{}", server.flight_port());
    let told = python::run("flight_guesses.py", &[&url, "ann", "of ann"]);
    let guesses = told["guesses"].as_array().unwrap();
    assert_eq!(guesses.len(), 6, "{told}");
    assert!(guesses.iter().all(|state| state == "28P01"), "{told}");
    assert_eq!(told["right"], "ok", "{told}");
    let seconds = told["seconds"].as_f64().unwrap();
    assert!(seconds >= NEARLY_A_SECOND.as_secs_f64(), "{told}");
}
