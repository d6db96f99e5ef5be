//! Encryption of both doors, and certificates that are read again when their files change.
//!
//! A new certificate is for connections that come after it. Files that cannot be used, half-written ones among them, change nothing and are
//! told of in the log: a server that lets nobody in because of a renewal that went wrong would be worse than an old certificate.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use x509_certificate::CapturedX509Certificate;

use crate::error::{Error, Result, SqlState};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where certificates are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its root, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Whose certificates clients may come with, PEM.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    fn all(&self) -> impl Iterator<Item = &Path> {
        let client_ca = self.client_ca.as_deref();
        [self.cert.as_path(), self.key.as_path()]
            .into_iter()
            .chain(client_ca)
    }

    /// What tells one state of the files from another; a file that is not there has none.
    fn marks(&self) -> Vec<Option<(SystemTime, u64)>> {
        let mark = |path: &Path| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        self.all().map(mark).collect()
    }
}

/// What was made of the files.
struct Loaded {
    postgres: Arc<ServerConfig>,
    flight: Arc<ServerConfig>,
    /// For SCRAM-SHA-256-PLUS; `None` for a certificate that cannot be bound to.
    binding: Option<ScramServerAuth>,
}

/// Encryption as it is at the moment.
pub struct Tls {
    files: TlsFiles,
    loaded: ArcSwap<Loaded>,
    marks: Mutex<Vec<Option<(SystemTime, u64)>>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.files.cert.display())
    }
}

/// Which protocol is spoken inside.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inside {
    /// The Postgres wire protocol.
    Postgres,
    /// HTTP/2.
    Flight,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>> {
        // Noted before they are read: what changes meanwhile is read once more.
        let marks = files.marks();
        let loaded = load(&files)?;
        Ok(Arc::new(Self {
            files,
            loaded: ArcSwap::from_pointee(loaded),
            marks: Mutex::new(marks),
        }))
    }

    /// Reads the files again when they have changed, until `shutdown`.
    pub async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let tls = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || tls.look()).await;
            if let Err(error) = looked {
                tracing::error!(%error, "looking at the certificates broke down");
            }
        }
    }

    fn look(&self) {
        let marks = self.files.marks();
        if *self.marks.lock() == marks {
            return;
        }
        *self.marks.lock() = marks;
        match load(&self.files) {
            Ok(loaded) => {
                self.loaded.store(Arc::new(loaded));
                tracing::info!("certificate {} was read again", self.files.cert.display());
            }
            Err(error) => tracing::warn!(
                "the certificate of before stays in use: {}",
                error.to_string().replace('\n', " ")
            ),
        }
    }

    /// Encrypts a connection.
    pub(super) async fn accept(&self, stream: TcpStream, inside: Inside) -> io::Result<Transport> {
        let config = {
            let loaded = self.loaded.load();
            Arc::clone(match inside {
                Inside::Postgres => &loaded.postgres,
                Inside::Flight => &loaded.flight,
            })
        };
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    /// SCRAM that is bound to the certificate of this moment.
    pub(super) fn binding(&self) -> Option<ScramServerAuth> {
        self.loaded.load().binding.clone()
    }
}

fn load(files: &TlsFiles) -> Result<Loaded> {
    let unusable = |path: &Path, why: String| {
        Error::user(
            SqlState::InvalidParameterValue,
            format!("{} cannot be used: {why}", path.display()),
        )
    };
    let read = |path: &Path| {
        fs::read(path).map_err(|error| {
            unusable(path, error.to_string())
                .with_hint("The server's user must be able to read it.")
        })
    };
    let cert_pem = read(&files.cert)?;
    let certs = certificates(&cert_pem).map_err(|why| {
        unusable(&files.cert, why).with_hint("--tls-cert wants the server's certificate in PEM, and the ones between it and its root after it.")
    })?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| {
        unusable(&files.key, error.to_string())
            .with_hint("--tls-key wants the private key in PEM, without a passphrase.")
    })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = || {
        ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(error.to_string()))
    };
    let builder = match &files.client_ca {
        None => builder()?.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for cert in certificates(&read(path)?).map_err(|why| unusable(path, why))? {
                roots
                    .add(cert)
                    .map_err(|error| unusable(path, error.to_string()))?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| unusable(path, error.to_string()))?;
            builder()?.with_client_cert_verifier(verifier)
        }
    };
    let postgres = builder.with_single_cert(certs, key).map_err(|error| {
        unusable(&files.cert, error.to_string())
            .with_hint("--tls-cert and --tls-key must belong together.")
    })?;
    let mut flight = postgres.clone();
    flight.alpn_protocols = vec![b"h2".to_vec()];
    let mut binding = ScramServerAuth::new();
    let binds = binding.configure_certificate(&cert_pem).is_ok();
    Ok(Loaded {
        postgres: Arc::new(postgres),
        flight: Arc::new(flight),
        binding: binds.then_some(binding),
    })
}

fn certificates(pem: &[u8]) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    let certs: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| error.to_string())?;
    match certs.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(certs),
    }
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub(super) enum Transport {
    /// As it came.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Whether it is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The common name in the client's certificate, which rustls has found good; `None` without one.
    pub(super) fn client_name(&self) -> Option<String> {
        let Self::Tls(stream) = self else {
            return None;
        };
        let (_, session) = stream.get_ref();
        let cert = session.peer_certificates()?.first()?;
        let cert = CapturedX509Certificate::from_der(cert.as_ref().to_vec()).ok();
        // A certificate without a name is nobody's, and not the same as none.
        Some(
            cert.and_then(|cert| cert.subject_common_name())
                .unwrap_or_default(),
        )
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
