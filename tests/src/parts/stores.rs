//! Object stores that speak the real protocols: versitygw (S3) and Azurite (Azure Blob), each on a free port with a bucket of its own.
//!
//! Both let exactly one of many writers create a name, which is what the tests are about; several other servers that look like S3 do not.
//! versitygw is built with Go, Azurite comes from npm: neither is part of `make test`.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cache::{self, say},
    install, ports,
    process::Process,
    wait::wait_for,
};

const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const AZURITE: &str = "azurite@3.35.0";

/// The bucket or container that every store here starts with.
pub const BUCKET: &str = "sluice-test";
/// Keys of the S3 server: they must be seen nowhere, so they are like nothing else.
pub const S3_KEY: &str = "AKIACANARY4SLUICE";
/// See [`S3_KEY`].
pub const S3_SECRET: &str = "canary/9d1c+secret/of/s3";
/// The emulator's account; its key is the same everywhere.
pub const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// See [`AZURE_ACCOUNT`].
pub const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// S3, by versitygw.
    S3,
    /// Azure Blob, by Azurite.
    Azure,
}

/// Installs versitygw: its program.
pub fn install_versitygw() -> Result<PathBuf, String> {
    let dir = cache::part("versitygw-1.8.0", VERSITYGW, |dir| {
        let go = install::program("go", "golang")?;
        say("building versitygw 1.8.0 (go install; one to two minutes)");
        let mut command = Command::new(go);
        command
            .args(["install", VERSITYGW])
            .env("GOBIN", dir.join("bin"))
            .env("GOFLAGS", "-modcacherw");
        install::run("go install", &mut command)
    })?;
    Ok(dir.join("bin/versitygw"))
}

/// Installs Azurite: its program.
pub fn install_azurite() -> Result<PathBuf, String> {
    let dir = cache::part("azurite-3.35.0", AZURITE, |dir| {
        let npm = install::program("npm", "npm")?;
        say("installing Azurite 3.35.0 (npm)");
        let mut command = Command::new(npm);
        command
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(dir)
            .arg(AZURITE);
        install::run("npm install", &mut command)
    })?;
    Ok(dir.join("node_modules/.bin/azurite-blob"))
}

/// A running store; ended when dropped, and what it holds removed.
#[derive(Debug)]
pub struct Store {
    /// Which.
    pub kind: Kind,
    /// Where it listens.
    pub port: u16,
    folder: TempDir,
    process: Process,
}

impl Store {
    /// Starts one and makes its bucket.
    pub fn start(kind: Kind) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("sluice-store-")
            .tempdir()
            .map_err(|e| format!("a temporary folder: {e}"))?;
        let port = ports::free();
        let data = folder.path().join("data");
        fs::create_dir(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let command = match kind {
            Kind::S3 => {
                let mut command = Command::new(install_versitygw()?);
                command
                    .env("ROOT_ACCESS_KEY", S3_KEY)
                    .env("ROOT_SECRET_KEY", S3_SECRET)
                    .args(["--port", &format!("127.0.0.1:{port}"), "posix"])
                    .arg(&data);
                command
            }
            Kind::Azure => {
                let mut command = Command::new(install_azurite()?);
                command
                    .args(["--disableTelemetry", "--skipApiVersionCheck", "--silent"])
                    .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
                    .arg("--location")
                    .arg(&data);
                command
            }
        };
        let log = folder.path().join("store.log");
        let name = format!("{kind:?} store");
        let mut process =
            Process::start(&name, command, &log).map_err(|e| format!("{name}: {e}"))?;
        wait_for(
            &format!("{name} to listen"),
            Duration::from_secs(60),
            || {
                let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
                (listens || process.ended().is_some()).then_some(())
            },
        )?;
        if process.ended().is_some() {
            return Err(format!("{name} ended:\n{}", process.log_tail(20)));
        }
        let store = Self {
            kind,
            port,
            folder,
            process,
        };
        store.make_bucket()?;
        Ok(store)
    }

    fn make_bucket(&self) -> Result<(), String> {
        match self.kind {
            // a folder is a bucket to it
            Kind::S3 => fs::create_dir(self.folder.path().join("data").join(BUCKET))
                .map_err(|e| format!("the bucket: {e}")),
            Kind::Azure => {
                let python = super::python::install()?;
                let script = crate::folder().join("python/make_container.py");
                let mut command = Command::new(python);
                command.arg(script).args([
                    &self.port.to_string(),
                    AZURE_ACCOUNT,
                    AZURE_KEY,
                    BUCKET,
                ]);
                install::run("make_container.py", &mut command)
            }
        }
    }

    /// The URL of a root in its bucket.
    pub fn url(&self, folder: &str) -> String {
        match self.kind {
            Kind::S3 => format!("s3://{BUCKET}/{folder}"),
            Kind::Azure => format!("az://{BUCKET}/{folder}"),
        }
    }

    /// What a client that reaches it at `port` needs in its environment.
    pub fn environment(&self, port: u16) -> Vec<(&'static str, String)> {
        let endpoint = format!("http://127.0.0.1:{port}");
        match self.kind {
            Kind::S3 => vec![
                ("AWS_ENDPOINT_URL", endpoint),
                ("AWS_ALLOW_HTTP", "true".into()),
                ("AWS_REGION", "us-east-1".into()),
                ("AWS_ACCESS_KEY_ID", S3_KEY.into()),
                ("AWS_SECRET_ACCESS_KEY", S3_SECRET.into()),
            ],
            Kind::Azure => vec![
                (
                    "AZURE_STORAGE_ENDPOINT",
                    format!("{endpoint}/{AZURE_ACCOUNT}"),
                ),
                ("AZURE_ALLOW_HTTP", "true".into()),
                ("AZURE_STORAGE_ACCOUNT_NAME", AZURE_ACCOUNT.into()),
                ("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY.into()),
            ],
        }
    }

    /// The same as storage options of Python's delta-rs.
    pub fn python_options(&self) -> Value {
        let all = self.environment(self.port);
        all.into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Where a folder of its bucket lies on disk (S3 alone: the other one keeps things its own way).
    pub fn on_disk(&self, folder: &str) -> PathBuf {
        assert_eq!(self.kind, Kind::S3, "only the S3 server keeps plain files");
        self.folder.path().join("data").join(BUCKET).join(folder)
    }

    /// Every file that it keeps, whatever it calls it.
    pub fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    below(&path, files);
                } else {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        below(&self.folder.path().join("data"), &mut files);
        files
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail(30)
    }
}

/// Whoever fails because the store did not answer wants to know whether it was there.
impl Drop for Store {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let state = self.process.ended();
            let state = state.map_or("runs".to_owned(), |end| end.to_string());
            let tail = self.log_tail();
            say(&format!(
                "{:?} store: {state}; its last lines:\n{tail}",
                self.kind
            ));
        }
    }
}
