//! The calls of Arrow Flight, each told apart by the Flight SQL command in it.
//!
//! The generated helper trait (`FlightSqlService`) has forty methods in pairs and leaves GetSchema out; the ten calls with one `match` on the
//! command are less to read and can answer it.

use std::{pin::Pin, sync::Arc, time::Duration};

use arrow::datatypes::Schema;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    flight_service_server::FlightService,
    sql::{
        Any, Command, DoPutPreparedStatementResult, DoPutUpdateResult, ProstMessageExt,
        TicketStatementQuery,
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, future::ready, stream};
use prost::Message;
use tonic::{
    Extensions, Request, Response, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
};

use super::{
    actions,
    client::{Client, Statement},
    ingest, metadata, parameters,
    registry::Registry,
    statement::{self, Bound},
    wire,
};
use crate::{
    error::{Error, SqlState},
    session::{Prepared, running::Running},
};

/// How long a client may take to end its handshake after it was answered.
const HANDSHAKE_REST: Duration = Duration::from_millis(500);

/// A streamed answer.
pub(super) type Answers<T> =
    Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send + 'static>>;
type Reply<T> = std::result::Result<Response<T>, Status>;

/// The service gRPC calls.
pub(super) struct FlightDoor {
    registry: Arc<Registry>,
}

impl FlightDoor {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    async fn client(
        &self,
        metadata: &MetadataMap,
        extensions: &Extensions,
    ) -> crate::error::Result<Arc<Client>> {
        self.registry.client(metadata, extensions).await
    }
}

#[tonic::async_trait]
impl FlightService for FlightDoor {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Reply<Self::HandshakeStream> {
        let (metadata, extensions, rest) = request.into_parts();
        let token = self.registry.log_in(&metadata, &extensions).await?;
        let header = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|e| Error::internal(e.to_string()))?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: token.into(),
        };
        let answers = one(answer).chain(ignored(rest)).boxed();
        let mut response = Response::new(answers);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        let client = self
            .client(request.metadata(), request.extensions())
            .await?;
        let (schema, ticket) = match command(&request.get_ref().cmd)? {
            Command::CommandStatementQuery(query) => {
                actions::refuse_transaction(query.transaction_id.as_ref())?;
                let running = client.session.start_of(&query.query);
                let prepared = statement::prepare(&client.session, &query.query, &[]);
                let prepared = running.race(prepared).await?;
                begin(&client, Bound::new(prepared, None)?, running).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                let kept = client.statement(&query.prepared_statement_handle)?;
                let running = client.session.start_of(&kept.prepared.parsed.text);
                begin(&client, Bound::new(kept.prepared, kept.rows)?, running).await?
            }
            other => (metadata::schema(&other)?, other.into_any()),
        };
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|e| Error::internal(e.to_string()))?
            // Without a location a client redeems the ticket where it got it, whatever name it reaches us by.
            .with_endpoint(FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec())))
            .with_descriptor(request.into_inner());
        Ok(Response::new(info))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        let client = self
            .client(request.metadata(), request.extensions())
            .await?;
        let schema = match command(&request.get_ref().cmd)? {
            Command::CommandStatementQuery(query) => {
                let running = client.session.start_of(&query.query);
                let prepared = statement::prepare(&client.session, &query.query, &[]);
                row_schema(&running.race(prepared).await?)
            }
            Command::CommandPreparedStatementQuery(query) => {
                row_schema(&client.statement(&query.prepared_statement_handle)?.prepared)
            }
            other => metadata::schema(&other)?,
        };
        Ok(Response::new(SchemaResult {
            schema: wire::schema_bytes(&schema)?,
        }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        let client = self
            .client(request.metadata(), request.extensions())
            .await?;
        let redeemed = match command(&request.get_ref().ticket)? {
            Command::TicketStatementQuery(ticket) => client.redeem(&ticket.statement_handle)?,
            Command::CommandPreparedStatementQuery(query) => {
                let kept = client.statement(&query.prepared_statement_handle)?;
                client.direct(Bound::new(kept.prepared, kept.rows)?)
            }
            other => {
                let batch = metadata::answer(&client.session, other).await?;
                let schema = batch.schema();
                let answer = wire::encode(&schema, stream::once(ready(Ok(batch))));
                return Ok(Response::new(answer.boxed()));
            }
        };
        let (schema, running) = match &redeemed.bound {
            Some(bound) => {
                let running = client.session.start_of(&bound.prepared().parsed.text);
                (row_schema(bound.prepared()), running)
            }
            // It ran when its flight was asked for.
            None => (Arc::new(Schema::empty()), client.session.start()),
        };
        let answer = wire::encode(&schema, statement::rows(redeemed, running));
        Ok(Response::new(answer.boxed()))
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        let client = self
            .client(request.metadata(), request.extensions())
            .await?;
        let mut messages = request.into_inner();
        let Some(first) = messages.message().await? else {
            // ADBC's ingest of a table without any batch ends before it has said where to: nothing is to be written.
            return Ok(Response::new(one(put_result(0))));
        };
        let descriptor = first.flight_descriptor.clone().unwrap_or_default();
        let metadata = match command(&descriptor.cmd)? {
            Command::CommandStatementUpdate(update) => {
                actions::refuse_transaction(update.transaction_id.as_ref())?;
                let running = client.session.start_of(&update.query);
                let prepared = statement::prepare(&client.session, &update.query, &[]);
                let prepared = running.race(prepared).await?;
                updated(&client, Bound::new(prepared, None)?, running).await?
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let kept = client.statement(&update.prepared_statement_handle)?;
                let running = client.session.start_of(&kept.prepared.parsed.text);
                let kept = running.race(bind(&client, kept, first, messages)).await?;
                updated(&client, Bound::new(kept.prepared, kept.rows)?, running).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = query.prepared_statement_handle;
                let kept = client.statement(&handle)?;
                let running = client.session.start_of(&kept.prepared.parsed.text);
                let kept = running.race(bind(&client, kept, first, messages)).await?;
                client.replace(&handle, kept);
                DoPutPreparedStatementResult {
                    prepared_statement_handle: Some(handle),
                }
                .encode_to_vec()
            }
            Command::CommandStatementIngest(command) => {
                let rows = ingest::ingest(&client.session, command, first, messages);
                DoPutUpdateResult {
                    record_count: rows.await?,
                }
                .encode_to_vec()
            }
            other => return Err(unsupported("DoPut", other.type_url()).into()),
        };
        Ok(Response::new(one(PutResult {
            app_metadata: metadata.into(),
        })))
    }

    async fn do_action(&self, request: Request<Action>) -> Reply<Self::DoActionStream> {
        let client = self
            .client(request.metadata(), request.extensions())
            .await?;
        if request.get_ref().r#type == actions::CLOSE_SESSION {
            self.registry.close(&client, request.extensions());
        }
        let asked = actions::Asked::of(request.get_ref())?;
        let answer = actions::act(&client, asked).await?;
        let results = answer
            .into_iter()
            .map(|body| Ok(arrow_flight::Result { body }));
        Ok(Response::new(
            stream::iter(results.collect::<Vec<_>>()).boxed(),
        ))
    }

    async fn list_actions(&self, _request: Request<Empty>) -> Reply<Self::ListActionsStream> {
        let actions = actions::LIST.map(|(name, description)| {
            Ok(ActionType {
                r#type: name.into(),
                description: description.into(),
            })
        });
        Ok(Response::new(stream::iter(actions).boxed()))
    }

    async fn list_flights(&self, _request: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        Err(unsupported("ListFlights", "").into())
    }

    async fn poll_flight_info(&self, _request: Request<FlightDescriptor>) -> Reply<PollInfo> {
        Err(unsupported("PollFlightInfo", "").into())
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Reply<Self::DoExchangeStream> {
        Err(unsupported("DoExchange", "").into())
    }
}

/// Columns of a statement's rows as they travel; none for a statement without rows.
pub(super) fn row_schema(prepared: &Prepared) -> arrow::datatypes::SchemaRef {
    prepared
        .schema
        .as_ref()
        .map_or_else(|| Arc::new(Schema::empty()), |schema| wire::schema(schema))
}

/// A ticket for a statement with rows; one without rows runs here and now.
async fn begin(
    client: &Arc<Client>,
    bound: Bound,
    running: Running,
) -> Result<(arrow::datatypes::SchemaRef, Any), Status> {
    let schema = row_schema(bound.prepared());
    let waiting = if bound.prepared().schema.is_some() {
        Some(bound)
    } else {
        statement::run_to_end(Arc::clone(&client.session), bound, running).await?;
        None
    };
    let statement_handle = client.issue(waiting)?;
    Ok((schema, TicketStatementQuery { statement_handle }.as_any()))
}

async fn updated(client: &Arc<Client>, bound: Bound, running: Running) -> Result<Vec<u8>, Status> {
    let session = Arc::clone(&client.session);
    let record_count = statement::run_to_end(session, bound, running).await?;
    Ok(DoPutUpdateResult { record_count }.encode_to_vec())
}

/// The statement with what the rest of a DoPut binds to it, or as it was when nothing is bound.
async fn bind(
    client: &Client,
    mut kept: Statement,
    first: FlightData,
    rest: Streaming<FlightData>,
) -> Result<Statement, Status> {
    let Some(batches) = parameters::read(first, rest.into_stream()).await? else {
        return Ok(kept);
    };
    // Where the statement alone does not tell a parameter's type, what the client sends does.
    if kept.prepared.parameters.iter().any(Option::is_none) {
        let hints = parameters::types(&batches);
        kept.prepared = client
            .session
            .prepare_apart(&kept.prepared.parsed, &hints)
            .await?;
    }
    kept.rows = Some(parameters::rows(&batches, &kept.prepared.parameters)?);
    Ok(kept)
}

/// The answer to a DoPut that changed so many rows.
fn put_result(record_count: i64) -> PutResult {
    PutResult {
        app_metadata: DoPutUpdateResult { record_count }.encode_to_vec().into(),
    }
}

pub(super) fn command(bytes: &Bytes) -> Result<Command, Status> {
    let malformed = |e: String| {
        Error::user(
            SqlState::FeatureNotSupported,
            "the call carries no Flight SQL command",
        )
        .with_detail(e)
        .with_hint("Use a Flight SQL client (ADBC, JDBC); plain Flight paths and tickets mean nothing here.")
    };
    let any = Any::decode(bytes.clone()).map_err(|e| malformed(e.to_string()))?;
    Command::try_from(any).map_err(|e| malformed(e.to_string()).into())
}

/// An error for what the protocol has and this server has not.
pub(super) fn unsupported(call: &str, what: &str) -> Error {
    let what = what.rsplit('.').next().unwrap_or_default();
    Error::user(
        SqlState::FeatureNotSupported,
        format!("{call} {what} is not supported").replace("  ", " "),
    )
}

/// Nothing, once the client has said all that it says, or has taken long. What nobody reads counts against its connection, which HTTP/2 closes
/// after some hundreds of it.
fn ignored<T: Send + 'static>(mut messages: Streaming<HandshakeRequest>) -> Answers<T> {
    let rest = async move {
        let all = async { while let Ok(Some(_)) = messages.message().await {} };
        // An answer was given; a client that waits for its end before it ends has it a little later.
        let _ = tokio::time::timeout(HANDSHAKE_REST, all).await;
    };
    let nothing = stream::once(rest).filter_map(|()| ready(None));
    nothing.boxed()
}

fn one<T: Send + 'static>(item: T) -> Answers<T> {
    stream::once(ready(Ok(item))).boxed()
}
