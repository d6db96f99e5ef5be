//! `system.failed_logins`: who was not let in, when, from where and why.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::Result;

use super::{batch, timestamps};
use crate::{access::FailedLogin, engine::Engine, session::Door};

pub(super) fn rows(engine: &Engine) -> Result<RecordBatch> {
    let logins = engine.failed_logins().all();
    let texts = |of: &dyn Fn(&FailedLogin) -> String| {
        Arc::new(StringArray::from_iter_values(logins.iter().map(of))) as ArrayRef
    };
    batch(vec![
        (
            "at",
            timestamps(logins.iter().map(|login| Some(login.at_us))),
        ),
        ("user_name", texts(&|login| login.user.clone())),
        ("address", texts(&|login| login.address.to_string())),
        (
            "door",
            texts(&|login| {
                let door = match login.door {
                    Door::Postgres => "postgres",
                    Door::FlightSql => "flight_sql",
                    Door::Embedded => "embedded",
                };
                door.to_owned()
            }),
        ),
        ("reason", texts(&|login| login.reason.clone())),
    ])
}
