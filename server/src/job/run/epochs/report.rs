//! What a running query says of itself.

use sluice_connectors::source::SplitId;

use super::{
    super::super::{journal::SplitSets, status::SplitStatus},
    Running,
};

impl Running<'_> {
    pub(super) fn publish_status(&self) {
        let watermarks = self.query.split_watermarks_us();
        let splits: Vec<SplitStatus> = self
            .splits
            .iter()
            .map(|(split, state)| SplitStatus {
                stream: self.stream_name(split),
                id: split.clone(),
                position: state.position.next_offset,
                end_position: state.end_offset,
                watermark_us: watermarks.get(split).copied(),
                idle: state.idle,
                last_event_us: state.last_rows_us,
            })
            .collect();
        let held_by = held_by(&splits, &self.sets);
        let totals = self.totals;
        let replayed_rows = self.decoders.rows;
        let (watermark_us, open_windows, state_bytes) = (
            self.query.watermark_us(),
            self.query.open_panes(),
            self.query.state_bytes(),
        );
        let spilled_bytes = self.query.spilled_bytes();
        let lag_rows = self.splits.lag_rows();
        let tail_rows = self.parts.tables.table.tail_size().0;
        self.status.update(|status| {
            status.epoch = self.epoch;
            status.watermark_us = watermark_us;
            status.lag_rows = lag_rows;
            status.rows_in = totals.rows.read + totals.undecodable;
            status.rows_out = totals.rows_out;
            status.aggregated_rows = totals.rows.aggregated;
            status.late_rows = totals.rows.late;
            status.dead_letter_rows = totals.rows.dead + totals.undecodable;
            status.filtered_rows = totals.rows.filtered;
            status.replayed_rows = replayed_rows;
            status.held_by = held_by;
            status.open_windows = open_windows;
            status.tail_rows = tail_rows;
            status.state_bytes = state_bytes;
            status.spilled_bytes = spilled_bytes;
            status.splits = splits;
        });
    }
}

impl Running<'_> {
    fn stream_name(&self, split: &SplitId) -> String {
        let stream = self.parts.streams.get(usize::from(split.stream));
        stream.map_or_else(String::new, |stream| stream.name.to_string())
    }
}

/// Which split keeps the watermark back, and why.
fn held_by(splits: &[SplitStatus], sets: &SplitSets) -> Option<String> {
    let counts = |split: &&SplitStatus| {
        !sets.excluded.contains(&split.id) && !sets.finished.contains(&split.id)
    };
    let name = |split: &SplitStatus| format!("{}[{}]", split.id.topic, split.id.partition);
    if let Some(waiting) = splits
        .iter()
        .filter(counts)
        .find(|split| split.watermark_us.is_none())
    {
        return Some(format!(
            "{}: has had no row with a usable time yet, {} messages to read",
            name(waiting),
            waiting.end_position.saturating_sub(waiting.position)
        ));
    }
    let slowest = splits
        .iter()
        .filter(counts)
        .min_by_key(|split| split.watermark_us)?;
    let behind = slowest.end_position.saturating_sub(slowest.position);
    let why = if behind > 0 {
        format!("{behind} messages to read")
    } else {
        "at its end, waiting for a later event or for its idle timeout".to_owned()
    };
    Some(format!(
        "{}: watermark {}, {why}",
        name(slowest),
        slowest
            .watermark_us
            .map_or_else(String::new, crate::clock::rfc3339)
    ))
}
