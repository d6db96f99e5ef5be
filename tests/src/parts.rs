//! Real counterparts, one module each: install once, start on a free loopback port, wait until ready, stop by process id.

pub mod certificates;
pub mod clients;
pub mod feed;
pub mod flink;
pub mod kafka;
pub mod postgres;
pub mod producer;
pub mod psql;
pub mod python;
pub mod spark;
pub mod stores;
