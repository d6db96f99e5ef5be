//! Apache Kafka: one KRaft node, broker and controller in one JVM, from Maven's jars, without installer or scripts.
//!
//! # What is hard about it
//! `kafka-tools` stops at 4.3.1, so the broker stays there too. A single node needs every internal topic at replication 1.
//! Topics are never made by asking for them (`auto.create.topics.enable=false`): a missing topic must stay missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::{Offset, TopicPartitionList},
};
use tempfile::TempDir;

use crate::{
    cache::{self, say},
    install, ports,
    process::Process,
    wait::wait_for,
};

/// The version of everything.
pub const VERSION: &str = "4.3.1";
const COORDINATES: [&str; 3] = [
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.slf4j:slf4j-simple:1.7.36",
];
/// `sluice-tests-001` in base64: a cluster id is 16 bytes.
const CLUSTER_ID: &str = "c2x1aWNlLXRlc3RzLTAwMQ";
/// Who may log in where the broker asks.
const USER: &str = "sluice";
const START_LIMIT: Duration = Duration::from_secs(120);

/// Installs the jars into the cache and returns their folder.
pub fn install() -> Result<PathBuf, String> {
    let dir = cache::part(
        &format!("kafka-{VERSION}"),
        &COORDINATES.join("\n"),
        |dir| {
            say(&format!(
                "installing Apache Kafka {VERSION} (92 jars, 54 MB, with Maven)"
            ));
            install::maven(dir, &dir.join("libs"), &COORDINATES, "")
        },
    )?;
    install::program("java", "default-jdk-headless")?;
    Ok(dir.join("libs"))
}

/// A running broker; stopped when dropped.
#[derive(Debug)]
pub struct Broker {
    // first, so that it has ended before its folder is removed
    process: Option<Process>,
    port: u16,
    secured: Option<Secured>,
    dir: TempDir,
    libs: PathBuf,
}

/// Listeners beside the plain one.
#[derive(Debug)]
struct Secured {
    sasl_port: u16,
    tls_port: u16,
    password: String,
}

impl Broker {
    /// Installs if need be, formats a fresh data folder and starts on a free port.
    pub fn start() -> Result<Self, String> {
        Self::start_on(ports::free())
    }

    /// As [`Broker::start`], on a port of the caller's choice.
    pub fn start_on(port: u16) -> Result<Self, String> {
        Self::start_with(port, false)
    }

    /// As [`Broker::start_on`], with a listener that asks for a password (SASL PLAIN) and one that encrypts (TLS).
    pub fn start_secured(port: u16) -> Result<Self, String> {
        Self::start_with(port, true)
    }

    fn start_with(port: u16, secured: bool) -> Result<Self, String> {
        let secured = secured.then(|| Secured {
            sasl_port: ports::free(),
            tls_port: ports::free(),
            password: format!("{:016x}", rand::random::<u64>()),
        });
        let mut broker = Self::formatted(Node::only(port), secured)?;
        broker.up()?;
        Ok(broker)
    }

    /// So many brokers that are one cluster: each of them votes, and a topic may have as many replicas.
    pub fn start_cluster(count: usize) -> Result<Vec<Self>, String> {
        let mut brokers = Node::cluster(count)
            .into_iter()
            .map(|node| Self::formatted(node, None))
            .collect::<Result<Vec<_>, _>>()?;
        // None is ready before most are there.
        for broker in &mut brokers {
            broker.launch()?;
        }
        for broker in &mut brokers {
            broker.wait_ready()?;
        }
        Ok(brokers)
    }

    fn formatted(node: Node, secured: Option<Secured>) -> Result<Self, String> {
        let libs = install()?;
        let dir = tempfile::Builder::new()
            .prefix("sluice-kafka-")
            .tempdir()
            .map_err(|e| format!("no folder for the broker: {e}"))?;
        let port = node.port;
        let mut settings = node.properties(&dir.path().join("data"));
        if let Some(secured) = &secured {
            for name in ["broker", "other"] {
                certificate(dir.path(), name, &secured.password)?;
            }
            settings.push_str(&secured.properties(&node, dir.path()));
        }
        fs::write(dir.path().join("server.properties"), settings)
            .map_err(|e| format!("cannot write server.properties: {e}"))?;
        let broker = Self {
            port,
            secured,
            dir,
            libs,
            process: None,
        };
        let mut format = broker.java("-Xmx256m");
        format
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(broker.dir.path().join("server.properties"));
        install::run("formatting the broker's folder", &mut format)?;
        Ok(broker)
    }

    /// The one broker that all tests of this process share; it ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| {
            let broker = Self::start().unwrap_or_else(|e| panic!("no broker: {e}"));
            at_exit::remember(broker.dir.path().to_owned(), broker.pid());
            broker
        })
    }

    /// `host:port` of its listener.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port user password` of the listener that asks for them; empty without one.
    pub fn sasl(&self) -> String {
        let told = |secured: &Secured| {
            let Secured {
                sasl_port,
                password,
                ..
            } = secured;
            format!("127.0.0.1:{sasl_port} {USER} {password}")
        };
        self.secured.as_ref().map(told).unwrap_or_default()
    }

    /// `host:port` of the listener that encrypts, the certificate to trust, and one that is of somebody else; empty without one.
    pub fn tls(&self) -> String {
        let pem = |name: &str| self.dir.path().join(name).with_extension("pem");
        let told = |secured: &Secured| {
            format!(
                "127.0.0.1:{} {} {}",
                secured.tls_port,
                pem("broker").display(),
                pem("other").display()
            )
        };
        self.secured.as_ref().map(told).unwrap_or_default()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running broker").id()
    }

    fn java(&self, heap: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args([heap, "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true"])
            .arg("-cp")
            .arg(format!("{}/*", self.libs.display()));
        command
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`], on the same port and data.
    pub fn up(&mut self) -> Result<(), String> {
        self.launch()?;
        self.wait_ready()
    }

    fn launch(&mut self) -> Result<(), String> {
        let log = self.dir.path().join("broker.log");
        fs::remove_file(&log).ok();
        let mut command = self.java("-Xmx512m");
        command
            .arg("-Xms256m")
            .arg("kafka.Kafka")
            .arg(self.dir.path().join("server.properties"));
        let process = Process::start("kafka", command, &log).map_err(|e| format!("java: {e}"))?;
        self.process = Some(process);
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let mut process = self.process.take().expect("a launched broker");
        let mut died = false;
        let ready = wait_for("the broker to be ready", START_LIMIT, || {
            died = process.ended().is_some();
            (died || (process.said("Kafka Server started") && self.answers())).then_some(())
        });
        if died || ready.is_err() {
            return Err(format!(
                "the broker did not come up: {}\n{}",
                ready.err().unwrap_or_else(|| "it ended by itself".into()),
                process.log_tail(25)
            ));
        }
        self.process = Some(process);
        Ok(())
    }

    fn answers(&self) -> bool {
        self.consumer()
            .fetch_metadata(None, Duration::from_secs(2))
            .is_ok_and(|metadata| !metadata.brokers().is_empty())
    }

    /// SIGTERM, and waits.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate(Duration::from_secs(30));
        }
    }

    /// SIGKILL, and waits.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.signal(libc::SIGSTOP);
        }
    }

    /// SIGCONT after [`Broker::freeze`].
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.signal(libc::SIGCONT);
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("log_level", "0");
        config
    }

    fn consumer(&self) -> BaseConsumer {
        self.config().create().expect("a consumer")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().expect("an admin client")
    }

    /// Makes a topic; `config` are topic properties.
    pub fn create_topic_with(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        self.create_replicated(name, partitions, 1, config);
    }

    /// Makes a topic of which several brokers have copies.
    pub fn create_replicated(
        &self,
        name: &str,
        partitions: i32,
        replicas: i32,
        config: &[(&str, &str)],
    ) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        let admin = self.admin();
        let made = futures::executor::block_on(admin.create_topics([&topic], &options()))
            .unwrap_or_else(|e| panic!("create topic {name}: {e}"));
        if let Err((topic, e)) = &made[0] {
            panic!("create topic {topic}: {e}");
        }
        wait_for(
            &format!("topic {name} to have {partitions} partitions"),
            Duration::from_secs(30),
            || (self.partitions(name) == Some(partitions as usize)).then_some(()),
        )
        .unwrap_or_else(|e| panic!("{e}"));
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        self.create_topic_with(name, partitions, &[]);
    }

    /// Makes a topic of a name nobody else has, starting with `stem`.
    pub fn fresh_topic(&self, stem: &str, partitions: i32) -> String {
        let name = fresh_name(stem);
        self.create_topic(&name, partitions);
        name
    }

    /// Deletes a topic and waits until it is gone.
    pub fn delete_topic(&self, name: &str) {
        let admin = self.admin();
        let gone = futures::executor::block_on(admin.delete_topics(&[name], &options()))
            .unwrap_or_else(|e| panic!("delete topic {name}: {e}"));
        if let Err((topic, e)) = &gone[0] {
            panic!("delete topic {topic}: {e}");
        }
        wait_for(
            &format!("topic {name} to be gone"),
            Duration::from_secs(30),
            || self.partitions(name).is_none().then_some(()),
        )
        .unwrap_or_else(|e| panic!("{e}"));
    }

    /// Grows a topic to `partitions`.
    pub fn add_partitions(&self, name: &str, partitions: usize) {
        let admin = self.admin();
        let grown = futures::executor::block_on(
            admin.create_partitions([&NewPartitions::new(name, partitions)], &options()),
        )
        .unwrap_or_else(|e| panic!("grow topic {name}: {e}"));
        if let Err((topic, e)) = &grown[0] {
            panic!("grow topic {topic}: {e}");
        }
        wait_for(
            &format!("topic {name} to have {partitions} partitions"),
            Duration::from_secs(30),
            || (self.partitions(name) == Some(partitions)).then_some(()),
        )
        .unwrap_or_else(|e| panic!("{e}"));
    }

    /// How many partitions a topic has; `None` when there is no such topic.
    pub fn partitions(&self, topic: &str) -> Option<usize> {
        let metadata = self
            .consumer()
            .fetch_metadata(Some(topic), Duration::from_secs(5))
            .ok()?;
        let found = metadata.topics().iter().find(|t| t.name() == topic)?;
        (found.error().is_none() && !found.partitions().is_empty())
            .then(|| found.partitions().len())
    }

    /// Deletes what lies before an offset, as retention does.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset");
        let admin = self.admin();
        futures::executor::block_on(admin.delete_records(&offsets, &options()))
            .unwrap_or_else(|e| panic!("delete records of {topic}/{partition}: {e}"));
        wait_for(
            &format!("{topic}/{partition} to begin at {offset}"),
            Duration::from_secs(30),
            || (self.offsets(topic, partition).0 == offset).then_some(()),
        )
        .unwrap_or_else(|e| panic!("{e}"));
    }

    /// Takes the last bytes of a partition's log away, as a crash of an only replica does. The broker must not run.
    pub fn cut_log(&self, topic: &str, partition: i32, keep: impl Fn(u64) -> u64) {
        assert!(self.process.is_none(), "the broker runs");
        let folder = self.dir.path().join("data");
        let folder = folder.join(format!("{topic}-{partition}"));
        for entry in fs::read_dir(&folder)
            .expect("the partition's folder")
            .flatten()
        {
            let path = entry.path();
            let kind = path.extension().and_then(|kind| kind.to_str());
            match kind {
                Some("log") => {
                    let file = fs::File::options().write(true).open(&path).expect("a log");
                    let len = file.metadata().expect("its length").len();
                    file.set_len(keep(len)).expect("a shorter log");
                }
                // Made again from the log.
                Some("index" | "timeindex" | "snapshot") => fs::remove_file(&path).expect("gone"),
                _ => {}
            }
        }
    }

    /// First and end offset of a partition.
    pub fn offsets(&self, topic: &str, partition: i32) -> (i64, i64) {
        let consumer = self.consumer();
        let mut last = None;
        // a partition that was made a moment ago may not have its leader yet
        let found = wait_for("a partition's offsets", Duration::from_secs(20), || {
            let offsets = consumer.fetch_watermarks(topic, partition, Duration::from_secs(10));
            offsets.map_err(|e| last = Some(e)).ok()
        });
        found.unwrap_or_else(|e| panic!("offsets of {topic}/{partition}: {e}: {last:?}"))
    }
}

impl Secured {
    /// What goes behind the plain broker's properties; the later line of a name wins.
    fn properties(&self, node: &Node, dir: &Path) -> String {
        let (port, controller) = (node.port, node.controller);
        let Self {
            sasl_port,
            tls_port,
            password,
        } = self;
        let listeners = format!(
            "PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl_port},SSL://127.0.0.1:{tls_port}"
        );
        format!(
            "listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{USER}\" password=\"{password}\" user_{USER}=\"{password}\";
ssl.keystore.type=PKCS12
ssl.keystore.location={}
ssl.keystore.password={password}
ssl.key.password={password}
",
            dir.join("broker.p12").display()
        )
    }
}

/// A key with a certificate signed by itself, in `<name>.p12`, and the certificate alone in `<name>.pem`.
fn certificate(dir: &Path, name: &str, password: &str) -> Result<(), String> {
    let key_store = dir.join(name).with_extension("p12");
    let store = |command: &mut Command| {
        command
            .args(["-alias", name, "-storepass", password, "-keystore"])
            .arg(&key_store);
    };
    let mut make = Command::new("keytool");
    make.args("-genkeypair -keyalg RSA -keysize 2048 -validity 30 -storetype PKCS12".split(' '))
        .args(["-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1"]);
    store(&mut make);
    install::run("making a key", &mut make)?;
    let mut export = Command::new("keytool");
    export.args(["-exportcert", "-rfc", "-file"]);
    export.arg(dir.join(name).with_extension("pem"));
    store(&mut export);
    install::run("exporting a certificate", &mut export)
}

/// `stem` with something nobody else in this run or another has.
pub fn fresh_name(stem: &str) -> String {
    format!("{stem}-{:08x}", rand::random::<u32>())
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(Duration::from_secs(30)))
        .request_timeout(Some(Duration::from_secs(30)))
}

/// One broker of a cluster, which may be all of it.
struct Node {
    id: usize,
    port: u16,
    controller: u16,
    /// `id@host:port` of every node's controller.
    voters: String,
    nodes: usize,
}

impl Node {
    fn only(port: u16) -> Self {
        let controller = ports::free();
        Self {
            id: 1,
            port,
            controller,
            voters: format!("1@127.0.0.1:{controller}"),
            nodes: 1,
        }
    }

    fn cluster(count: usize) -> Vec<Self> {
        let controllers: Vec<(usize, u16)> = (1..=count).map(|id| (id, ports::free())).collect();
        let voters: Vec<String> = controllers
            .iter()
            .map(|(id, port)| format!("{id}@127.0.0.1:{port}"))
            .collect();
        let node = |(id, controller)| Self {
            id,
            port: ports::free(),
            controller,
            voters: voters.join(","),
            nodes: count,
        };
        controllers.into_iter().map(node).collect()
    }

    fn properties(&self, data: &Path) -> String {
        let Self {
            id,
            port,
            controller,
            voters,
            nodes,
        } = self;
        // where one of several may die, the others go on
        let least = (nodes / 2).max(1);
        format!(
            "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
message.max.bytes=20971520
replica.fetch.max.bytes=20971520
offsets.topic.replication.factor={nodes}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr={least}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor={nodes}
share.coordinator.state.topic.min.isr={least}
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.cleaner.enable=false
",
            data = data.display()
        )
    }
}

/// Statics are never dropped: the shared broker is ended and its folder removed when the process exits.
mod at_exit {
    use std::{path::PathBuf, sync::OnceLock};

    static SHARED: OnceLock<(PathBuf, u32)> = OnceLock::new();

    pub(super) fn remember(dir: PathBuf, pid: u32) {
        if SHARED.set((dir, pid)).is_ok() {
            // SAFETY: `end` touches only a static and plain system calls.
            unsafe {
                libc::atexit(end);
            }
        }
    }

    extern "C" fn end() {
        if let Some((dir, pid)) = SHARED.get() {
            let pid = pid.cast_signed();
            // SAFETY: the child has not been waited for, so the id is still its own.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
            std::fs::remove_dir_all(dir).ok();
        }
    }
}
