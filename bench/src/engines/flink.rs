//! Flink SQL: `bench/peers/flink.sql`, run by `bench/peers/Flink.java` in one JVM.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sluice_tests::{install as installer, parts::flink};

use super::peer::{Mode, Order};
use crate::topic::Mix;

/// Packages of the JDK that Flink's own configuration opens.
const OPENED: [&str; 9] = [
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
];

/// The folder of the jars.
pub fn install() -> Result<PathBuf, String> {
    flink::install()
}

pub fn command(order: &Order<'_>) -> Result<Command, String> {
    let libs = install()?;
    let peers = crate::folder().join("peers");
    let classes = order.folder.join("classes");
    let mut compile = Command::new("javac");
    compile
        .args(["-cp", &format!("{}/*", libs.display()), "-d"])
        .arg(&classes)
        .arg(peers.join("Flink.java"));
    installer::run("javac", &mut compile)?;
    let script = order.folder.join("job.sql");
    fs::write(&script, sql(&peers, order)?).map_err(|e| e.to_string())?;
    let mut command = Command::new("java");
    command
        .args(["-Xms1g", "-Xmx2g", "-Duser.timezone=UTC"])
        .args(OPENED.map(|package| format!("--add-opens={package}=ALL-UNNAMED")))
        .arg("-cp")
        .arg(format!("{}:{}/*", classes.display(), libs.display()))
        .arg("Flink")
        .arg(script)
        .args(settings(order));
    Ok(command)
}

fn sql(peers: &Path, order: &Order<'_>) -> Result<String, String> {
    let path = peers.join("flink.sql");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let bounded = match order.mode {
        Mode::Drain => "'scan.bounded.mode' = 'latest-offset',",
        Mode::Follow => "",
    };
    let known = [
        ("{bootstrap}", order.bootstrap),
        ("{topic}", order.topic),
        ("{bounded}", bounded),
        (
            "{dirty}",
            if order.mix == Mix::Dirty {
                "true"
            } else {
                "false"
            },
        ),
        ("{out}", &order.out.display().to_string()),
    ];
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
    Ok(known.iter().fold(text, fill))
}

fn settings(order: &Order<'_>) -> Vec<String> {
    let checkpoints = order.folder.join("checkpoints");
    let mut settings = vec![
        "execution.target=local".to_owned(),
        "parallelism.default=2".into(),
        "taskmanager.numberOfTaskSlots=2".into(),
        "pipeline.object-reuse=true".into(),
        "state.backend.type=hashmap".into(),
        "table.local-time-zone=UTC".into(),
        "rest.bind-address=127.0.0.1".into(),
        format!(
            "execution.checkpointing.dir=file://{}",
            checkpoints.display()
        ),
    ];
    settings.extend(match order.mode {
        Mode::Drain => vec!["execution.checkpointing.interval=10 s".to_owned()],
        // files are finished by checkpoints, so these three are what freshness is made of
        Mode::Follow => vec![
            "execution.checkpointing.interval=200 ms".into(),
            "pipeline.auto-watermark-interval=50 ms".into(),
            "execution.buffer-timeout.interval=10 ms".into(),
        ],
    });
    settings
}
