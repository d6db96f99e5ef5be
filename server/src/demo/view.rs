//! What the view draws, from what was seen; a pure function of it.

use std::time::Instant;

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};

use super::plain::{freshness, grouped, moment};
use super::watch::History;

/// What stays the same while the demo runs.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// Lines to paste elsewhere.
    pub(crate) connect: Vec<String>,
    /// What ends it.
    pub(crate) ends: String,
}

/// Draws everything.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    history: &History,
    fixed: &Fixed,
    now: Instant,
    clock: DateTime<Utc>,
) {
    let connect = fixed.connect.len() as u16 + 2;
    let [status, chart, windows, lines] = Layout::vertical([
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Min(4),
        Constraint::Length(connect),
    ])
    .areas(frame.area());
    draw_status(frame, status, history, fixed, now, clock);
    draw_chart(frame, chart, history);
    draw_windows(frame, windows, history);
    let text: Vec<Line<'_>> = fixed
        .connect
        .iter()
        .map(|line| line.as_str().into())
        .collect();
    let block = Block::bordered().title(" read it from elsewhere ");
    frame.render_widget(Paragraph::new(text).block(block), lines);
}

fn draw_status(
    frame: &mut Frame<'_>,
    area: Rect,
    history: &History,
    fixed: &Fixed,
    now: Instant,
    clock: DateTime<Utc>,
) {
    let look = &history.newest;
    let label = |text: &'static str| Span::styled(format!("{text:<12}"), Style::new().dim());
    let trouble = look.last_error.as_deref().or(look.held_by.as_deref());
    let lines = vec![
        Line::from(vec![
            label("events"),
            format!(
                "{} at {}/s",
                grouped(look.rows_in),
                grouped(history.rate() as i64)
            )
            .bold(),
            format!(
                "   lag {}   late {}   dead letters {}",
                grouped(look.lag_rows),
                grouped(look.late_rows),
                grouped(look.dead_letter_rows)
            )
            .into(),
        ]),
        Line::from(vec![
            label("watermark"),
            moment(look.watermark_us).bold(),
            format!(
                "   {} windows open, epoch {}",
                look.open_windows,
                grouped(look.epoch)
            )
            .into(),
        ]),
        Line::from(vec![
            label("final rows"),
            grouped(look.rows_out).bold(),
            format!("   {}", freshness(look, clock)).into(),
        ]),
        Line::from(vec![
            label("state"),
            look.state.clone().bold(),
            "   ".into(),
            trouble.unwrap_or("").to_owned().yellow(),
        ]),
        Line::from(fixed.ends.clone()).dim(),
    ];
    let title = format!(" Sluice demo, {} s ", history.elapsed(now).as_secs());
    let block = Block::bordered().title(title.bold());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_chart(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let width = usize::from(area.width.saturating_sub(2));
    let skipped = history.rates.len().saturating_sub(width);
    let rates: Vec<u64> = history.rates.iter().skip(skipped).copied().collect();
    let most = rates.iter().copied().max().unwrap_or(0);
    let title = format!(" events per second, up to {} ", grouped(most as i64));
    let chart = Sparkline::default()
        .block(Block::bordered().title(title))
        .data(&rates)
        .cyan();
    frame.render_widget(chart, area);
}

fn draw_windows(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let rows = history.newest.newest.iter().map(|window| {
        Row::new([
            Cell::from(moment(Some(window.start_us))),
            Cell::from(window.event_type.clone()),
            Cell::from(window.user_segment.clone()),
            Cell::from(format!("{:>11}", grouped(window.event_count))),
            Cell::from(format!("{:>9.3}", window.avg_value)),
            Cell::from(format!("{:>9.3}", window.p95_value)),
        ])
    });
    let widths = [
        Constraint::Length(19),
        Constraint::Length(14),
        Constraint::Length(14),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let header = [
        "window_start",
        "event_type",
        "user_segment",
        "event_count",
        "avg_value",
        "p95_value",
    ];
    let title = " gold.real_time_metrics, newest windows ";
    let table = Table::new(rows, widths)
        .header(Row::new(header).bold())
        .column_spacing(2)
        .block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

#[cfg(test)]
mod tests;
