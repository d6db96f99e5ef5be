//! The DoAction calls: prepared statements, cancelling, session options.
//!
//! Two generations of packing: Flight SQL's own actions wrap their message in `Any`, those of Flight itself (cancel, session) do not.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    sql::{
        ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
        ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command,
        ProstMessageExt,
    },
};
use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::{
    client::{Cancel, Client, Statement},
    service,
    session_options::{self, SetSessionOptionsRequest},
    statement, wire,
};
use crate::{
    error::{Error, Result, SqlState},
    session::Prepared,
};

pub(super) const CLOSE_SESSION: &str = "CloseSession";

/// What ListActions answers.
pub(super) const LIST: [(&str, &str); 7] = [
    ("CreatePreparedStatement", "Plans a statement and keeps it."),
    ("ClosePreparedStatement", "Forgets a prepared statement."),
    ("CancelQuery", "Cancels a result (older clients)."),
    ("CancelFlightInfo", "Cancels a result."),
    ("SetSessionOptions", "Sets run-time parameters, like SET."),
    ("GetSessionOptions", "Gives run-time parameters."),
    (CLOSE_SESSION, "Ends the session and everything in it."),
];

/// What an action asks for.
pub(super) enum Asked {
    Create(ActionCreatePreparedStatementRequest),
    Forget(ActionClosePreparedStatementRequest),
    /// As older clients ask for it, and hear of it.
    CancelQuery(FlightInfo),
    CancelFlight(FlightInfo),
    SetOptions(SetSessionOptionsRequest),
    GetOptions,
    CloseSession,
}

impl Asked {
    /// Reads an action, or says why it is none.
    pub(super) fn of(action: &Action) -> Result<Self> {
        let body = action.body.clone();
        Ok(match action.r#type.as_str() {
            "CreatePreparedStatement" => Self::Create(unpack(action)?),
            "ClosePreparedStatement" => Self::Forget(unpack(action)?),
            "CancelQuery" => {
                let request: ActionCancelQueryRequest = unpack(action)?;
                let info = FlightInfo::decode(request.info);
                Self::CancelQuery(info.map_err(|e| malformed(action, &e))?)
            }
            "CancelFlightInfo" => {
                let request = CancelFlightInfoRequest::decode(body);
                let request = request.map_err(|e| malformed(action, &e))?;
                Self::CancelFlight(request.info.unwrap_or_default())
            }
            "SetSessionOptions" => {
                let request = SetSessionOptionsRequest::decode(body);
                Self::SetOptions(request.map_err(|e| malformed(action, &e))?)
            }
            "GetSessionOptions" => Self::GetOptions,
            CLOSE_SESSION => Self::CloseSession,
            "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
                return Err(no_transactions());
            }
            other => return Err(service::unsupported("action", other)),
        })
    }
}

/// Carries out what is asked for; gives the body of its answer where it has one.
pub(super) async fn act(client: &Arc<Client>, asked: Asked) -> Result<Option<Bytes>, Status> {
    let body = match asked {
        Asked::Create(request) => Some(create(client, request).await?),
        Asked::Forget(request) => {
            client.forget(&request.prepared_statement_handle);
            None
        }
        Asked::CancelQuery(info) => {
            // This older message and CancelStatus number their outcomes alike.
            let result = cancel(client, &info) as i32;
            Some(ActionCancelQueryResult { result }.as_any().encode_to_vec())
        }
        Asked::CancelFlight(info) => {
            Some(CancelFlightInfoResult::new(cancel(client, &info)).encode_to_vec())
        }
        Asked::SetOptions(request) => Some(
            session_options::set(&client.session, request)
                .await
                .encode_to_vec(),
        ),
        Asked::GetOptions => Some(session_options::get(&client.session).encode_to_vec()),
        // The registry has ended it already.
        Asked::CloseSession => Some(session_options::CloseSessionResult::closed().encode_to_vec()),
    };
    Ok(body.map(Bytes::from))
}

/// Refuses a call inside a transaction, which nobody can have begun here.
pub(super) fn refuse_transaction(id: Option<&Bytes>) -> Result<()> {
    match id {
        Some(id) if !id.is_empty() => Err(no_transactions()),
        _ => Ok(()),
    }
}

/// What whoever wants a transaction is told.
pub(super) fn no_transactions() -> Error {
    Error::user(
        SqlState::FeatureNotSupported,
        "transactions are not supported",
    )
    .with_detail("Every statement commits by itself.")
    .with_hint("Leave autocommit on.")
}

async fn create(client: &Client, request: ActionCreatePreparedStatementRequest) -> Result<Vec<u8>> {
    refuse_transaction(request.transaction_id.as_ref())?;
    let running = client.session.start_of(&request.query);
    let prepared = statement::prepare(&client.session, &request.query, &[]);
    let prepared = running.race(prepared).await?;
    // A statement without rows has no dataset schema at all: the JDBC driver tells updates from queries by it.
    let dataset_schema = match &prepared.schema {
        Some(schema) => wire::schema_bytes(&wire::schema(schema))?,
        None => Bytes::new(),
    };
    let parameter_schema = parameter_schema(&prepared)?;
    let prepared_statement_handle = client.keep(Statement {
        prepared,
        rows: None,
    })?;
    let result = ActionCreatePreparedStatementResult {
        prepared_statement_handle,
        dataset_schema,
        parameter_schema,
    };
    Ok(result.as_any().encode_to_vec())
}

/// `$1`, `$2`, …; text where nothing tells the type, which any client can send.
fn parameter_schema(prepared: &Prepared) -> Result<Bytes> {
    if prepared.parameters.is_empty() {
        return Ok(Bytes::new());
    }
    let fields: Vec<_> = prepared
        .parameters
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            let ty = ty.clone().unwrap_or(DataType::Utf8);
            Field::new(format!("${}", i + 1), ty, true)
        })
        .collect();
    wire::schema_bytes(&wire::schema(&Schema::new(fields)))
}

/// Cancels every result of a flight.
fn cancel(client: &Client, info: &FlightInfo) -> CancelStatus {
    let mut status = CancelStatus::NotCancellable;
    for ticket in info.endpoint.iter().filter_map(|e| e.ticket.as_ref()) {
        let Ok(Ok(Command::TicketStatementQuery(query))) =
            Any::decode(ticket.ticket.clone()).map(Command::try_from)
        else {
            continue;
        };
        match client.cancel(&query.statement_handle) {
            Cancel::Cancelling => return CancelStatus::Cancelling,
            Cancel::Cancelled => status = CancelStatus::Cancelled,
            Cancel::Unknown => {}
        }
    }
    status
}

fn unpack<M: ProstMessageExt>(action: &Action) -> Result<M> {
    Any::decode(action.body.clone())
        .map_err(|e| malformed(action, &e))?
        .unpack()
        .map_err(|e| malformed(action, &e))?
        .ok_or_else(|| malformed(action, &"another message"))
}

fn malformed(action: &Action, why: &dyn std::fmt::Display) -> Error {
    Error::user(
        SqlState::InvalidParameterValue,
        format!("action {} cannot be read: {why}", action.r#type),
    )
}
