//! Apache Spark with Delta Lake as an independent reader of the tables: big (a JVM of 1 GB and more), so only for `make test-clients`.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    cache::{self, say},
    install,
    parts::python,
};

const DELTA: [&str; 1] = ["io.delta:delta-spark_2.13:4.4.0"];
/// Everything else Spark's wheel ships already; copies clash.
const GROUPS: &str = "io.delta,io.unitycatalog";
const KAFKA: [&str; 1] = ["org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"];
const KAFKA_GROUPS: &str = "org.apache.spark,org.apache.kafka,org.apache.commons";

/// Installs pyspark and Delta's jars: the interpreter and the folder of the jars.
pub fn install() -> Result<(PathBuf, PathBuf), String> {
    install::program("java", "default-jdk-headless")?;
    let python = python::venv("pyspark-4.2.0", &["pyspark==4.2.0"])?;
    let jars = cache::part("delta-spark-4.4.0", &format!("{DELTA:?} {GROUPS}"), |dir| {
        say("installing delta-spark 4.4.0 (Maven)");
        install::maven(dir, &dir.join("libs"), &DELTA, GROUPS)
    })?;
    Ok((python, jars.join("libs")))
}

/// The folder of the jars with which Spark reads from Kafka.
pub fn install_kafka() -> Result<PathBuf, String> {
    let recipe = format!("{KAFKA:?} {KAFKA_GROUPS}");
    let jars = cache::part("spark-kafka-4.2.0", &recipe, |dir| {
        say("installing Spark's connector to Kafka 4.2.0 (Maven)");
        install::maven(dir, &dir.join("libs"), &KAFKA, KAFKA_GROUPS)
    })?;
    Ok(jars.join("libs"))
}

/// Runs `tests/python/<script>` with the folder of Delta's jars and `args`; the JSON it printed.
pub fn run(script: &str, args: &[&str]) -> Value {
    let (python, jars) = install().unwrap_or_else(|e| panic!("no Spark: {e}"));
    let jars = jars.display().to_string();
    let mut all = vec![jars.as_str()];
    all.extend(args);
    python::run_with(&python, script, &all)
}
