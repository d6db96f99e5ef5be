//! What streaming adds to the engine's logical plans: window and watermark nodes, and the relations that make them.
//!
//! The nodes are markers: they say which column is event time and which is a window, and they lower to stock expressions. A bounded
//! table runs through the very same plan, which is what makes a batch run the oracle of a stream.

mod leaf;
mod lower;
mod relation;
mod sessions;
mod watermark;
mod window;

pub use lower::LowerWindows;
pub use relation::WindowRelations;
pub use watermark::WatermarkNode;
pub use window::{WINDOW_END, WINDOW_START, WINDOW_TIME, WindowNode};

pub(crate) use leaf::LeafNode;
pub(crate) use lower::{lower_to_panes, lower_windows, partition_column};
pub(crate) use relation::interval_us;
pub(crate) use window::{WINDOW_COLUMNS, window_type};
