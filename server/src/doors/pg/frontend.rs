//! What clients send, taken apart.
//!
//! Every length and count in here comes from a stranger. `pgwire`'s own decoders trust the counts inside a message and would panic on a
//! short one, so bodies are taken apart with a reader that cannot run over the end; nothing in here may index, allocate by a count it was
//! told, or panic.

use bytes::{Buf, Bytes};

use super::failure::Failure;

/// A message of the conversation proper (after the start).
#[derive(Debug, PartialEq)]
pub(super) enum Frontend {
    /// Statements as text, answered at once.
    Query(String),
    Parse {
        name: String,
        query: String,
        types: Vec<u32>,
    },
    Bind {
        portal: String,
        statement: String,
        formats: Vec<i16>,
        values: Vec<Option<Bytes>>,
        result_formats: Vec<i16>,
    },
    Describe {
        target: Target,
        name: String,
    },
    Execute {
        portal: String,
        /// 0 or less: all of them.
        max_rows: i32,
    },
    Close {
        target: Target,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    /// Rows of a COPY. Outside of one PostgreSQL overlooks this message and the two after it, as they may follow a COPY that failed.
    CopyData(Bytes),
    /// All of a COPY's rows have been sent.
    CopyDone,
    /// The client gives a COPY up, and why.
    CopyFail(String),
    /// A message that could be told apart from its neighbours and no more.
    Refused {
        tag: u8,
        failure: Box<Failure>,
    },
}

/// What Describe and Close speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Statement,
    Portal,
}

impl Frontend {
    /// Takes a message's body apart; `None` for a type that does not exist, after which nothing can be trusted.
    pub(super) fn decode(tag: u8, body: Bytes) -> Option<Self> {
        let mut body = Body(body);
        let decoded = match tag {
            b'Q' => body.text().map(Self::Query),
            b'P' => body.parse(),
            b'B' => body.bind(),
            b'D' => body
                .target()
                .map(|(target, name)| Self::Describe { target, name }),
            b'C' => body
                .target()
                .map(|(target, name)| Self::Close { target, name }),
            b'E' => body.execute(),
            b'H' => Ok(Self::Flush),
            b'S' => Ok(Self::Sync),
            b'X' => Ok(Self::Terminate),
            b'd' => return Some(Self::CopyData(body.0)),
            b'c' => return Some(Self::CopyDone),
            // Whatever it is made of, it gives up.
            b'f' => return Some(Self::CopyFail(body.text().unwrap_or_default())),
            // Whatever it is made of: large objects, of which there are none, are read so.
            b'F' => {
                let failure =
                    Failure::error("0A000", "the function call protocol is not supported")
                        .with_hint("Call the function in a SELECT.");
                return Some(Self::refused(tag, failure));
            }
            b'p' => Err(Failure::protocol("password message outside authentication")),
            _ => return None,
        };
        Some(match decoded {
            Ok(_) if body.0.has_remaining() => Self::refused(tag, invalid()),
            Ok(message) => message,
            Err(failure) => Self::refused(tag, failure),
        })
    }

    pub(super) fn refused(tag: u8, failure: Failure) -> Self {
        Self::Refused {
            tag,
            failure: Box::new(failure),
        }
    }
}

fn invalid() -> Failure {
    Failure::protocol("invalid message format")
}

struct Body(Bytes);

impl Body {
    fn u16(&mut self) -> Result<u16, Failure> {
        self.0.try_get_u16().map_err(|_| invalid())
    }

    fn i32(&mut self) -> Result<i32, Failure> {
        self.0.try_get_i32().map_err(|_| invalid())
    }

    fn text(&mut self) -> Result<String, Failure> {
        let end = self.0.iter().position(|b| *b == 0).ok_or_else(invalid)?;
        let bytes = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => {
                let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
                Err(Failure::error(
                    "22021",
                    format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"),
                ))
            }
        }
    }

    /// A count and as many values; the count is believed only as far as there are bytes.
    fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let count = self.u16()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn formats(&mut self) -> Result<Vec<i16>, Failure> {
        self.many(|body| match body.u16()? {
            code @ (0 | 1) => Ok(i16::from(code == 1)),
            code => Err(Failure::protocol(format!(
                "unsupported format code: {code}"
            ))),
        })
    }

    fn target(&mut self) -> Result<(Target, String), Failure> {
        let target = match self.0.try_get_u8() {
            Ok(b'S') => Target::Statement,
            Ok(b'P') => Target::Portal,
            _ => return Err(invalid()),
        };
        Ok((target, self.text()?))
    }

    fn parse(&mut self) -> Result<Frontend, Failure> {
        Ok(Frontend::Parse {
            name: self.text()?,
            query: self.text()?,
            types: self.many(|body| body.0.try_get_u32().map_err(|_| invalid()))?,
        })
    }

    fn bind(&mut self) -> Result<Frontend, Failure> {
        Ok(Frontend::Bind {
            portal: self.text()?,
            statement: self.text()?,
            formats: self.formats()?,
            values: self.many(Self::value)?,
            result_formats: self.formats()?,
        })
    }

    fn value(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| invalid())?;
                if length > self.0.remaining() {
                    return Err(invalid());
                }
                Ok(Some(self.0.split_to(length)))
            }
        }
    }

    fn execute(&mut self) -> Result<Frontend, Failure> {
        Ok(Frontend::Execute {
            portal: self.text()?,
            max_rows: self.i32()?,
        })
    }
}
