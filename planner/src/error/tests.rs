//! Real queries with real slips, and what their writer reads.
