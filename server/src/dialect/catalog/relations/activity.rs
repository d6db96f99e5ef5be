//! `pg_stat_activity` and `pg_locks`: the sessions of all doors, and what they have locked for each other. What one of them does is for those who have its role's privileges, and for `pg_monitor`.

use datafusion::scalar::ScalarValue;

use super::cluster::role_oid;
use crate::{
    access::Viewer,
    activity::{Shown, Wait},
    advisory::Key,
    catalog::Catalog,
    dialect::catalog::{
        DATABASE, Facts, oids,
        rows::{Row, Value},
    },
};

/// What others see in the place of a statement.
const HIDDEN: &str = "<insufficient privilege>";

pub(super) fn sessions(facts: &Facts, catalog: &Catalog) -> Vec<Row> {
    let Some((engine, actor)) = &facts.access else {
        return Vec::new();
    };
    let role = actor.current();
    let monitors = Viewer::Owner(role.clone()).monitors(catalog);
    let sessions = engine.activities().all();
    let rows = sessions.iter().map(|session| {
        let shown = session.shown();
        let may = monitors || catalog.roles().has_privileges_of(&role, &shown.user);
        row(&shown, may, catalog)
    });
    rows.collect()
}

/// Advisory locks, which are all the locks there are.
pub(super) fn locks(facts: &Facts) -> Vec<Row> {
    let Some((engine, _)) = &facts.access else {
        return Vec::new();
    };
    let locks = engine.advisory_locks().all();
    let rows = locks.into_iter().map(|lock| {
        let (class, object, kind) = match lock.key {
            // The two halves of its bits.
            Key::One(key) => ((key >> 32) as i32, key as i32, 1),
            Key::Two(first, second) => (first, second, 2),
        };
        Row::from([
            ("locktype", "advisory".into()),
            ("database", oids::DATABASE.into()),
            ("classid", class.into()),
            ("objid", object.into()),
            ("objsubid", kind.into()),
            ("virtualtransaction", format!("{}/0", lock.pid).into()),
            ("pid", lock.pid.into()),
            ("mode", lock.mode.name().into()),
            ("granted", lock.granted.into()),
            ("fastpath", false.into()),
        ])
    });
    rows.collect()
}

fn row(shown: &Shown, may: bool, catalog: &Catalog) -> Row {
    let mut row = Row::from([
        ("datid", oids::DATABASE.into()),
        ("datname", DATABASE.into()),
        ("pid", shown.pid.into()),
        ("usesysid", role_oid(catalog, &shown.user).into()),
        ("usename", shown.user.as_str().into()),
        ("application_name", shown.application.as_str().into()),
        ("query", HIDDEN.into()),
    ]);
    if !may {
        return row;
    }
    let wait = shown.wait.map(|wait| match wait {
        Wait::Client => ("Client", "ClientRead"),
        Wait::Turn => ("Extension", "AdHocTurn"),
    });
    let address = shown.address;
    row.extend([
        (
            "client_addr",
            address.map(|(address, _)| address.to_string()).into(),
        ),
        (
            "client_port",
            address.map(|(_, port)| i32::from(port)).into(),
        ),
        ("backend_start", time(Some(shown.started_us))),
        ("xact_start", time(shown.transaction_us)),
        ("query_start", time(shown.query_us)),
        ("state_change", time(Some(shown.changed_us))),
        ("wait_event_type", wait.map(|(of, _)| of).into()),
        ("wait_event", wait.map(|(_, event)| event).into()),
        ("state", shown.state.name().into()),
        ("query", shown.query.as_str().into()),
        ("backend_type", "client backend".into()),
    ]);
    row
}

fn time(us: Option<i64>) -> Value {
    us.map_or(Value::Null, |us| {
        Value::Ready(ScalarValue::TimestampMicrosecond(
            Some(us),
            Some("UTC".into()),
        ))
    })
}
