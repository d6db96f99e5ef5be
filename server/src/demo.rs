//! The demo: the job we exist for, on generated events or on a topic, and a view of it.
//!
//! What it shows comes through SQL on a session, as anybody could ask for it; nothing is looked up inside the server. What it claims at
//! the end (every generated event is in a window, late or a dead letter) it has computed from committed rows.

mod balance;
mod job;
mod plain;
mod screen;
mod view;
mod watch;

pub(crate) use balance::{Balance, of_generated, of_topic};
pub(crate) use job::{Feed, Job, QUERY, TABLE};
pub(crate) use plain::{final_table, status_line};
pub(crate) use screen::Screen;
pub(crate) use watch::{History, Look, look};
