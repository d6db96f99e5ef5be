//! Apache Flink, for the benchmark beside: the distribution as Python's package ships it, its connectors from Maven; one JVM, no installer.
//!
//! What is hard about it: no Delta sink resolves for Flink 2 (it writes Parquet), and the newest connector to Kafka is that of 2.2, which runs on 2.3.

use std::{fs, path::PathBuf};

use crate::{
    cache::{self, say},
    install,
    parts::python,
};

/// The version of everything but the connector to Kafka.
pub const VERSION: &str = "2.3.0";
const WHEEL: &str = "apache-flink-libraries==2.3.0";
const JARS: [&str; 4] = [
    "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",
    "org.apache.flink:flink-sql-parquet:2.3.0",
    "org.apache.hadoop:hadoop-client-api:3.4.1",
    "org.apache.hadoop:hadoop-client-runtime:3.4.1",
];

/// Installs it and returns the folder with all jars.
pub fn install() -> Result<PathBuf, String> {
    install::program("java", "default-jdk-headless")?;
    let dir = cache::part(
        &format!("flink-{VERSION}"),
        &format!("{WHEEL} {JARS:?}"),
        |dir| {
            say(&format!(
                "installing Apache Flink {VERSION} (pip, 329 MB, and Maven)"
            ));
            let (venv, wheel) = (dir.join("venv"), dir.join("wheel"));
            let mut pip = python::pip_install(&venv)?;
            pip.args(["--no-deps", "--no-compile", "--target"])
                .arg(&wheel)
                .arg(WHEEL);
            install::run("pip install", &mut pip)?;
            let libs = dir.join("libs");
            fs::rename(wheel.join("pyflink/lib"), &libs)
                .and_then(|()| fs::remove_dir_all(&wheel))
                .and_then(|()| fs::remove_dir_all(&venv))
                .map_err(|e| format!("the wheel is not as expected: {e}"))?;
            install::maven(dir, &libs, &JARS, "")
        },
    )?;
    Ok(dir.join("libs"))
}
