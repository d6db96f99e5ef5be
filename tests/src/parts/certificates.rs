//! Certificates for a test: an authority, and what it signs. Made by `openssl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::install;

/// An authority in a folder of its own.
pub struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let authority = Self { dir };
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        authority
    }

    /// Whom to trust.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate and key of this common name, for a server on this machine or for a client: `name.pem`, `name.key`.
    pub fn sign(&self, name: &str, common_name: &str) -> (PathBuf, PathBuf) {
        let (cert, key, request) = (
            format!("{name}.pem"),
            format!("{name}.key"),
            format!("{name}.csr"),
        );
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/O=test/CN={common_name}"),
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        let extensions =
            "subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = CA:FALSE\n";
        fs::write(self.path("extensions"), extensions).expect("extensions");
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            &cert,
        ]);
        (self.path(&cert), self.path(&key))
    }

    /// The serial number of a certificate in a file.
    pub fn serial(path: &Path) -> String {
        let openssl = program();
        let output = Command::new(openssl)
            .args(["x509", "-noout", "-serial", "-in"])
            .arg(path)
            .output()
            .expect("openssl");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The serial number of the certificate that a Postgres door shows.
    pub fn serial_at(port: u16) -> String {
        Self::shown_at(port, "-starttls postgres")
    }

    /// The same of a Flight SQL door.
    pub fn serial_at_flight(port: u16) -> String {
        Self::shown_at(port, "-alpn h2")
    }

    fn shown_at(port: u16, by: &str) -> String {
        let shown = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "openssl s_client {by} -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
            ))
            .output()
            .expect("openssl");
        String::from_utf8_lossy(&shown.stdout).trim().to_owned()
    }

    fn openssl(&self, args: &[&str]) {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.dir.path());
        install::run("openssl", &mut command).unwrap_or_else(|e| panic!("{e}"));
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn program() -> PathBuf {
    install::program("openssl", "openssl").unwrap_or_else(|e| panic!("{e}"))
}
