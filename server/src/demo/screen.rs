//! The terminal while the view has it. Whatever happens, it must be given back as it was: on the way out, on an error, on a panic.

use std::time::{Duration, Instant};

use chrono::Utc;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::DefaultTerminal;
use sluice_server::error::{Error, Result, SqlState};

use super::view::{self, Fixed};
use super::watch::History;

/// The terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    fixed: Fixed,
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is told (ratatui's hook).
    pub(crate) fn new(connect: Vec<String>, ends: String) -> Result<Self> {
        let terminal = ratatui::try_init().map_err(trouble)?;
        Ok(Self {
            terminal,
            fixed: Fixed { connect, ends },
        })
    }

    /// Draws what was seen.
    pub(crate) fn draw(&mut self, history: &History) -> Result<()> {
        let (now, clock) = (Instant::now(), Utc::now());
        let fixed = &self.fixed;
        self.terminal
            .draw(|frame| view::draw(frame, history, fixed, now, clock))
            .map(|_| ())
            .map_err(trouble)
    }

    /// Whether a key that ends the demo has been pressed. Raw mode makes Ctrl-C a key.
    pub(crate) fn is_over(&self) -> Result<bool> {
        while event::poll(Duration::ZERO).map_err(trouble)? {
            if let Event::Key(key) = event::read().map_err(trouble)? {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(true),
                    KeyCode::Char('c') if control => return Ok(true),
                    _ => {}
                }
            }
        }
        Ok(false)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn trouble(error: std::io::Error) -> Error {
    Error::outside(
        SqlState::IoError,
        format!("cannot draw on the terminal: {error}"),
    )
    .with_hint("Use --plain for lines instead.")
}
