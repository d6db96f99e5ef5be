//! Times, and what stops a statement.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::session::Door;

#[test]
fn times_have_units() {
    let ms = |text| duration(text).unwrap().map(|time| time.as_millis());
    assert_eq!(ms("150"), Some(150));
    assert_eq!(ms(" 1.5 s "), Some(1500));
    assert_eq!(ms("2min"), Some(120_000));
    assert_eq!(ms("1d"), Some(86_400_000));
    assert_eq!(ms("0"), None);
    for wrong in ["", "soon", "-1", "1 fortnight", "1.2.3", "s"] {
        assert!(duration(wrong).is_none(), "{wrong}");
    }
}

async fn why(settings: &str, stop: impl AsyncFn(&Arc<Session>)) -> Error {
    let engine = crate::engine::for_tests();
    let session = Arc::new(Session::new(engine, "sluice", Door::FlightSql).unwrap());
    for parsed in session.parse(settings).unwrap() {
        let prepared = session.prepare(&parsed, &[]).await.unwrap();
        session.execute(&prepared, Vec::new()).await.unwrap();
    }
    let running = session.start_of("SELECT 1");
    stop(&session).await;
    let endless = std::future::pending::<Result<()>>();
    let error = running.race(endless).await.unwrap_err();
    assert!(running.token().is_cancelled());
    // What must be seen through is asked to stop, and says itself that it did; then it is told why.
    let running = session.start();
    stop(&session).await;
    let token = running.token().clone();
    let work = async {
        token.cancelled().await;
        Err::<(), _>(cancelled())
    };
    assert_eq!(running.see_through(work).await.unwrap_err(), error);
    error
}

#[tokio::test]
async fn what_stops_a_statement_is_told_apart() {
    let late = why("SET statement_timeout = '20ms'", async |_| {}).await;
    assert_eq!(late.state, SqlState::QueryCanceled);
    assert!(late.message.ends_with("statement timeout"), "{late}");
    let asked = why("", async |session| session.activity().cancel()).await;
    assert_eq!(asked.state, SqlState::QueryCanceled);
    assert!(asked.message.ends_with("user request"), "{asked}");
    let ended = why("", async |session| session.activity().end()).await;
    assert_eq!(ended.state, SqlState::AdminShutdown);
}
