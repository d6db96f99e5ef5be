//! What streaming adds to the engine's logical plans: window and watermark nodes, and the relations that make them.
//!
//! The nodes are markers: they say which column is event time and which is a window, and they lower to stock expressions. A bounded
//! table runs through the very same plan, which is what makes a batch run the oracle of a stream.

mod leaf;
mod lower;
mod relation;
mod tumble;
mod watermark;

pub use lower::{LowerWindows, lower_tumble};
pub use relation::WindowRelations;
pub use tumble::{TumbleNode, WINDOW_END, WINDOW_START};
pub use watermark::WatermarkNode;

pub(crate) use leaf::LeafNode;
pub(crate) use relation::interval_us;
pub(crate) use tumble::window_type;
