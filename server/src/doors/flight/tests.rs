//! The door from the client's side, over a real connection.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod decoder;
mod flow;
mod lifecycle;
mod listings;
mod statements;
mod tokens;

use std::{net::SocketAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray},
    datatypes::SchemaRef,
};
use arrow_flight::{FlightInfo, error::FlightError, sql::client::FlightSqlServiceClient};
use datafusion::{datasource::MemTable, prelude::SessionContext};
use futures::TryStreamExt;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

use crate::{
    error::{Error, Result, SqlState},
    session::{Door, Login, Session, Sessions},
};

type Client = FlightSqlServiceClient<Channel>;

/// A server with one table, `people(id, name)`, whose text is a view type as the engine makes it.
struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    /// Removed last.
    _root: Option<tempfile::TempDir>,
}

struct Memory;

impl Sessions for Memory {
    fn login(&self, user: &str) -> Login {
        Login::trusted(user)
    }

    fn open(&self, user: &str, database: &str, door: Door) -> Result<Arc<Session>> {
        if database != "sluice" {
            return Err(Error::user(
                SqlState::InvalidCatalogName,
                format!("database \"{database}\" does not exist"),
            ));
        }
        let context = SessionContext::new();
        let people = people();
        let table = MemTable::try_new(people.schema(), vec![vec![people]]).unwrap();
        context.register_table("people", Arc::new(table)).unwrap();
        Ok(Arc::new(Session::over(
            crate::engine::for_tests(),
            context,
            user,
            door,
        )))
    }
}

fn people() -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let names: ArrayRef = Arc::new(StringViewArray::from(vec![
        "ada",
        "grace",
        "a name longer than a view holds",
    ]));
    RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap()
}

async fn served() -> Served {
    served_by(Arc::new(Memory)).await
}

async fn served_by(sessions: Arc<dyn Sessions>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(super::serve(
        listener,
        sessions,
        crate::doors::guard::Guard::open(),
        shutdown.clone(),
    ));
    Served {
        address,
        shutdown,
        task,
        _root: None,
    }
}

/// A server over an engine of its own, with nothing in it.
async fn served_by_engine() -> Served {
    let (engine, root) = crate::engine::fresh_for_tests();
    engine.change_catalog(|catalog| {
        let ada = crate::access::Role::new("ada", 20_000);
        catalog.roles_mut().put(crate::access::Role {
            login: true,
            superuser: true,
            ..ada
        });
    });
    let served = served_by(Arc::new(engine)).await;
    Served {
        _root: Some(root),
        ..served
    }
}

impl Served {
    /// A client on a connection of its own that says nothing of who it is.
    async fn connect(&self) -> Client {
        let channel = Channel::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Client::new(channel)
    }

    /// A client with a token.
    async fn log_in(&self) -> Client {
        let mut client = self.connect().await;
        client.handshake("ada", "secret").await.unwrap();
        assert!(client.token().is_some());
        client
    }
}

/// Every row of a flight, and the schema its stream began with.
async fn fetch(
    client: &mut Client,
    info: FlightInfo,
) -> std::result::Result<(SchemaRef, Vec<RecordBatch>), FlightError> {
    let [endpoint] = info.endpoint.as_slice() else {
        panic!("{} endpoints", info.endpoint.len());
    };
    assert!(endpoint.location.is_empty(), "a location was given");
    let ticket = endpoint.ticket.clone().unwrap();
    let mut stream = client.do_get(ticket).await?;
    let batches: Vec<_> = (&mut stream).try_collect().await?;
    let schema = stream.schema().unwrap().clone();
    assert_eq!(*schema, info.try_decode_schema().unwrap());
    Ok((schema, batches))
}

async fn query(
    client: &mut Client,
    sql: &str,
) -> std::result::Result<Vec<RecordBatch>, FlightError> {
    let info = client.execute(sql.into(), None).await?;
    fetch(client, info).await.map(|(_, batches)| batches)
}

/// The first column as text.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let columns = batches
        .iter()
        .map(|b| arrow::compute::cast(b.column(0), &arrow::datatypes::DataType::Utf8).unwrap());
    columns
        .flat_map(|c| {
            let column: &StringArray = c.as_any().downcast_ref().unwrap();
            let values: Vec<_> = column
                .iter()
                .map(|v| v.unwrap_or("NULL").to_owned())
                .collect();
            values
        })
        .collect()
}

/// The status behind a client's error.
fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => panic!("{other}"),
    }
}

/// Asserts a code and words of the text.
fn refused<T>(result: std::result::Result<T, FlightError>, code: Code, words: &str) {
    let status = status(result.err().unwrap());
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(words), "{status}");
}
