//! Spark Structured Streaming: `bench/peers/spark.py`.

use std::{path::PathBuf, process::Command};

use sluice_tests::parts::spark;

use super::peer::{Mode, Order};
use crate::topic::Mix;

/// The interpreter, and the folders of the jars.
pub fn install() -> Result<(PathBuf, [PathBuf; 2]), String> {
    let (python, delta) = spark::install()?;
    Ok((python, [delta, spark::install_kafka()?]))
}

pub fn command(order: &Order<'_>) -> Result<Command, String> {
    let (python, [delta, kafka]) = install()?;
    let mut command = Command::new(python);
    command
        .arg(crate::folder().join("peers/spark.py"))
        .arg(format!("{}:{}", delta.display(), kafka.display()))
        .args([order.bootstrap, order.topic])
        .arg(order.out)
        .arg(order.folder.join("checkpoint"))
        .arg(match order.mode {
            Mode::Drain => "drain",
            Mode::Follow => "follow",
        })
        .arg(match order.mix {
            Mix::Clean => "clean",
            Mix::Dirty => "dirty",
        })
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
