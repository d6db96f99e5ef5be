//! Sessions, handles, tickets: whose they are and when they end.

use std::time::Duration;

use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor,
    Ticket,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery,
        CommandStatementQuery, ProstMessageExt,
    },
};
use prost::Message;

use super::{
    super::session_options::{
        CloseSessionResult, GetSessionOptionsResult, OptionValue, SessionOptionValue,
        SetSessionOptionsRequest, SetSessionOptionsResult,
    },
    *,
};

/// Rows without end, practically.
const ENDLESS: &str = "SELECT repeat('x', 100) AS x FROM generate_series(1, 1000000000000)";

async fn act(client: &mut Client, name: &str, body: Vec<u8>) -> Result<bytes::Bytes, Status> {
    let results = client.do_action(Action::new(name, body)).await;
    let mut results = results.map_err(status)?;
    Ok(results.message().await?.unwrap_or_default().body)
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_its_session_only() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client.execute("SELECT 1".into(), None).await.unwrap();
    let mut other = served.log_in().await;
    refused(
        fetch(&mut other, info.clone()).await,
        Code::NotFound,
        "ticket does not exist",
    );
    fetch(&mut client, info.clone()).await.unwrap();
    refused(
        fetch(&mut client, info).await,
        Code::NotFound,
        "ticket does not exist",
    );
}

#[tokio::test]
async fn a_prepared_statement_belongs_to_its_session() {
    let served = served().await;
    let mut client = served.log_in().await;
    let request = ActionCreatePreparedStatementRequest {
        query: "SELECT 1 AS x".into(),
        transaction_id: None,
    };
    let body = request.as_any().encode_to_vec();
    let body = act(&mut client, "CreatePreparedStatement", body)
        .await
        .unwrap();
    let created: ActionCreatePreparedStatementResult =
        Any::decode(body).unwrap().unpack().unwrap().unwrap();
    // The command is a ticket too: it runs the statement without asking for its flight first.
    let ticket = CommandPreparedStatementQuery {
        prepared_statement_handle: created.prepared_statement_handle.clone(),
    };
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let rows = client.do_get(ticket.clone()).await.unwrap();
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(texts(&rows), ["1"]);
    let mut other = served.log_in().await;
    refused(
        other.do_get(ticket.clone()).await,
        Code::NotFound,
        "prepared statement does not exist",
    );
    // Nor can the other close it; closing what does not exist is no error.
    let close = ActionClosePreparedStatementRequest {
        prepared_statement_handle: created.prepared_statement_handle,
    };
    let close = close.as_any().encode_to_vec();
    act(&mut other, "ClosePreparedStatement", close.clone())
        .await
        .unwrap();
    client.do_get(ticket.clone()).await.unwrap();
    act(&mut client, "ClosePreparedStatement", close)
        .await
        .unwrap();
    refused(client.do_get(ticket).await, Code::NotFound, "26000");
}

#[tokio::test]
async fn calls_without_a_token_belong_to_their_connection() {
    let served = served_by_engine().await;
    let mut one = served.connect().await;
    one.execute_update("SET application_name = 'mine'".into(), None)
        .await
        .unwrap();
    let shown = "SHOW application_name";
    assert_eq!(texts(&query(&mut one, shown).await.unwrap()), ["mine"]);
    let mut two = served.connect().await;
    assert_eq!(texts(&query(&mut two, shown).await.unwrap()), [""]);
}

#[tokio::test]
async fn a_wrong_token_or_database_is_refused() {
    let served = served().await;
    let mut client = served.connect().await;
    client.set_token("guessed".into());
    refused(
        query(&mut client, "SELECT 1").await,
        Code::Unauthenticated,
        "Connect again",
    );
    let mut client = served.connect().await;
    client.set_header("database", "other");
    refused(
        query(&mut client, "SELECT 1").await,
        Code::NotFound,
        "3D000",
    );
}

#[tokio::test]
async fn a_closed_session_is_gone() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client.execute("SELECT 1".into(), None).await.unwrap();
    let body = act(&mut client, "CloseSession", vec![]).await.unwrap();
    assert_eq!(
        CloseSessionResult::decode(body).unwrap(),
        CloseSessionResult::closed()
    );
    refused(
        fetch(&mut client, info).await,
        Code::Unauthenticated,
        "has ended",
    );
}

#[tokio::test]
async fn session_options_are_parameters() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    let text = |s: &str| SessionOptionValue {
        value: Some(OptionValue::Text(s.into())),
    };
    let request = SetSessionOptionsRequest {
        session_options: [
            ("TimeZone".to_owned(), text("Asia/Tokyo")),
            ("catalog".to_owned(), text("elsewhere")),
            ("no such; name".to_owned(), text("x")),
        ]
        .into(),
    };
    let body = act(&mut client, "SetSessionOptions", request.encode_to_vec())
        .await
        .unwrap();
    let errors = SetSessionOptionsResult::decode(body).unwrap().errors;
    assert_eq!(errors.len(), 2);
    assert_eq!(errors["catalog"].value, 2);
    assert_eq!(errors["no such; name"].value, 1);
    let body = act(&mut client, "GetSessionOptions", vec![]).await.unwrap();
    let options = GetSessionOptionsResult::decode(body)
        .unwrap()
        .session_options;
    assert_eq!(options["TimeZone"], text("Asia/Tokyo"));
    assert_eq!(options["schema"], text("public"));
}

#[tokio::test]
async fn names_follow_the_search_path_of_a_statement_and_of_an_option() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    for statement in [
        "CREATE TABLE pair (n INT)",
        "CREATE TABLE gold.pair (n INT)",
        "INSERT INTO pair VALUES (1)",
        "SET search_path = gold, public",
        "INSERT INTO pair VALUES (2)",
    ] {
        client.execute_update(statement.into(), None).await.unwrap();
    }
    let asked = "SELECT n FROM pair";
    assert_eq!(texts(&query(&mut client, asked).await.unwrap()), ["2"]);
    let request = SetSessionOptionsRequest {
        session_options: [(
            "search_path".to_owned(),
            SessionOptionValue {
                value: Some(OptionValue::Text("public".into())),
            },
        )]
        .into(),
    };
    let body = act(&mut client, "SetSessionOptions", request.encode_to_vec());
    let errors = SetSessionOptionsResult::decode(body.await.unwrap()).unwrap();
    assert!(errors.errors.is_empty(), "{errors:?}");
    assert_eq!(texts(&query(&mut client, asked).await.unwrap()), ["1"]);
    // Of that session alone.
    let mut other = served.log_in().await;
    assert_eq!(texts(&query(&mut other, asked).await.unwrap()), ["1"]);
}

#[tokio::test]
async fn a_running_result_can_be_cancelled() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client.execute(ENDLESS.into(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    let request = CancelFlightInfoRequest::new(info).encode_to_vec();
    let body = act(&mut client, "CancelFlightInfo", request.clone())
        .await
        .unwrap();
    let status = CancelFlightInfoResult::decode(body).unwrap().status();
    assert_eq!(status, CancelStatus::Cancelling);
    let error = super::status(rows.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
    assert_eq!(error.code(), Code::Cancelled);
    assert!(error.message().contains("57014"), "{error}");
    // It ends nothing else of the session, and there is nothing left to cancel.
    query(&mut client, "SELECT 1").await.unwrap();
    let body = act(&mut client, "CancelFlightInfo", request).await.unwrap();
    let status = CancelFlightInfoResult::decode(body).unwrap().status();
    assert_eq!(status, CancelStatus::NotCancellable);
}

#[tokio::test]
async fn a_result_not_begun_is_cancelled_for_good() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client.execute("SELECT 1".into(), None).await.unwrap();
    let request = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
    let body = act(&mut client, "CancelFlightInfo", request).await.unwrap();
    let status = CancelFlightInfoResult::decode(body).unwrap().status();
    assert_eq!(status, CancelStatus::Cancelled);
    refused(
        fetch(&mut client, info).await,
        Code::NotFound,
        "ticket does not exist",
    );
}

#[tokio::test]
async fn shutdown_ends_running_results_and_the_door() {
    let served = served().await;
    let mut client = served.log_in().await;
    let info = client.execute(ENDLESS.into(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    // A second result whose client has stopped reading must not keep the server.
    let info = client.execute(ENDLESS.into(), None).await.unwrap();
    let stuck = client
        .do_get(info.endpoint[0].ticket.clone().unwrap())
        .await
        .unwrap();
    served.shutdown.cancel();
    let error = super::status(rows.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("57P01"), "{error}");
    tokio::time::timeout(Duration::from_secs(8), served.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(stuck);
}

#[tokio::test]
async fn a_schema_can_be_asked_for_without_running_anything() {
    let served = served().await;
    let mut client = served.log_in().await;
    let command = CommandStatementQuery {
        query: "SELECT name FROM people".into(),
        transaction_id: None,
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let mut request = tonic::Request::new(descriptor);
    let token = format!("Bearer {}", client.token().unwrap());
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let result = client
        .inner_mut()
        .get_schema(request)
        .await
        .unwrap()
        .into_inner();
    let schema = arrow::datatypes::Schema::try_from(&result).unwrap();
    assert_eq!(
        *schema.field(0).data_type(),
        arrow::datatypes::DataType::Utf8
    );
}

#[tokio::test]
async fn what_is_not_supported_says_so() {
    let served = served().await;
    let mut client = served.log_in().await;
    refused(
        client.begin_transaction().await,
        Code::Unimplemented,
        "autocommit",
    );
    let transaction = Some(bytes::Bytes::from_static(b"t"));
    refused(
        client.execute("SELECT 1".into(), transaction).await,
        Code::Unimplemented,
        "autocommit",
    );
    let error = act(&mut client, "Dance", vec![]).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(
        error.message().starts_with("action Dance is not supported"),
        "{error}"
    );
    let error = act(&mut client, "CreatePreparedStatement", vec![1, 2, 3])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    let request = tonic::Request::new(FlightDescriptor::new_path(vec!["x".into()]));
    let error = client
        .inner_mut()
        .get_flight_info(request)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented, "{error}");
}

#[tokio::test]
async fn a_session_option_limits_the_time_of_statements() {
    let served = served_by_engine().await;
    let mut client = served.log_in().await;
    let request = SetSessionOptionsRequest {
        session_options: [(
            "statement_timeout".to_owned(),
            SessionOptionValue {
                value: Some(OptionValue::Int(300)),
            },
        )]
        .into(),
    };
    act(&mut client, "SetSessionOptions", request.encode_to_vec())
        .await
        .unwrap();
    let info = client.execute(ENDLESS.into(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    let error = super::status(rows.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
    assert_eq!(error.code(), Code::Cancelled);
    assert!(
        error
            .message()
            .contains("canceling statement due to statement timeout"),
        "{error}"
    );
    query(&mut client, "SELECT 1").await.unwrap();
}

/// The session of a user that no other test has.
fn activity(user: &str) -> Arc<crate::activity::Activity> {
    let all = crate::engine::for_tests().activities().all();
    all.into_iter()
        .find(|session| session.user() == user)
        .unwrap()
}

#[tokio::test]
async fn an_ended_session_is_refused_and_its_results_end() {
    let served = served().await;
    let mut client = served.connect().await;
    client.handshake("ended by token", "x").await.unwrap();
    let info = client.execute(ENDLESS.into(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut rows = client.do_get(ticket).await.unwrap();
    rows.try_next().await.unwrap().unwrap();
    activity("ended by token").end();
    let error = super::status(rows.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("57P01"), "{error}");
    refused(
        query(&mut client, "SELECT 1").await,
        Code::Unauthenticated,
        "has ended",
    );

    // Without a token it is told once, and then begins anew.
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut client = served.connect().await;
    let basic = format!("Basic {}", STANDARD.encode("ended by connection:x"));
    client.set_header("authorization", basic);
    query(&mut client, "SELECT 1").await.unwrap();
    activity("ended by connection").end();
    refused(
        query(&mut client, "SELECT 1").await,
        Code::Unavailable,
        "57P01",
    );
    query(&mut client, "SELECT 1").await.unwrap();
}
