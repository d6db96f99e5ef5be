//! Places that are armed: read from the variable once, and counted down as they are passed.

use std::{io, sync::OnceLock, time::Duration};

use parking_lot::Mutex;

/// What happens at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The process ends at once, nothing is cleaned up.
    Kill,
    /// An error that may be over at the next try.
    Error,
    /// The disk is full.
    Full,
    /// The device fails.
    Broken,
    /// It takes long.
    Sleep(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) action: Action,
    /// Passes left before it happens.
    pub(super) skip: u64,
    /// How often it happens.
    pub(super) times: u64,
}

pub(super) fn hit(name: &str) -> io::Result<()> {
    static PLACES: OnceLock<Mutex<Vec<Place>>> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        let text = std::env::var(super::VARIABLE).unwrap_or_default();
        let places = parse(&text).unwrap_or_else(|wrong| {
            eprintln!("{}: {wrong}; nothing will fail", super::VARIABLE);
            Vec::new()
        });
        Mutex::new(places)
    });
    let due = due(&mut places.lock(), name);
    let Some(action) = due else {
        return Ok(());
    };
    // In one write: the log is shared with other threads, and a line in pieces is not found in it.
    let line = format!("failpoint {name}: {action:?}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    match action {
        Action::Kill => std::process::abort(),
        Action::Error => Err(io::Error::other("failpoint")),
        Action::Full => Err(io::ErrorKind::StorageFull.into()),
        Action::Broken => Err(io::Error::from_raw_os_error(5)),
        Action::Sleep(time) => {
            std::thread::sleep(time);
            Ok(())
        }
    }
}

pub(super) fn due(places: &mut [Place], name: &str) -> Option<Action> {
    let mut found = None;
    for place in places.iter_mut().filter(|place| place.name == name) {
        if place.skip > 0 {
            place.skip -= 1;
        } else if place.times > 0 {
            place.times -= 1;
            found = found.or(Some(place.action));
        }
    }
    found
}

/// `name=action[:milliseconds][@pass][*times]`, several with `;`.
pub(super) fn parse(text: &str) -> Result<Vec<Place>, String> {
    let places = text
        .split(';')
        .map(str::trim)
        .filter(|place| !place.is_empty());
    places.map(place).collect()
}

fn place(text: &str) -> Result<Place, String> {
    let wrong = || {
        format!(
            "\"{text}\" is not name=kill, error, enospc, eio or sleep:MILLISECONDS, with @PASS and *TIMES after it"
        )
    };
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (rest, times) = match rest.split_once('*') {
        None => (rest, 1),
        Some((rest, times)) => (rest, times.parse().map_err(|_| wrong())?),
    };
    let (action, pass) = match rest.split_once('@') {
        None => (rest, 1),
        Some((action, pass)) => (action, pass.parse::<u64>().map_err(|_| wrong())?),
    };
    let action = match action.split_once(':') {
        Some(("sleep", ms)) => {
            Action::Sleep(Duration::from_millis(ms.parse().map_err(|_| wrong())?))
        }
        None if action == "kill" => Action::Kill,
        None if action == "error" => Action::Error,
        None if action == "enospc" => Action::Full,
        None if action == "eio" => Action::Broken,
        _ => return Err(wrong()),
    };
    Ok(Place {
        name: name.trim().to_owned(),
        action,
        skip: pass.saturating_sub(1),
        times,
    })
}
