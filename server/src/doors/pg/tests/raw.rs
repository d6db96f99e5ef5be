//! A client of bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::fixture::Server;

/// A connection and what of the answers was read.
pub(super) struct Raw {
    pub(super) stream: TcpStream,
    inbox: BytesMut,
}

/// An answer: its type and its body.
pub(super) type Answer = (char, Bytes);

impl Raw {
    pub(super) async fn open(server: &Server) -> Self {
        Self {
            stream: TcpStream::connect(server.address).await.unwrap(),
            inbox: BytesMut::new(),
        }
    }

    /// Logged in, up to the first ReadyForQuery.
    pub(super) async fn login(server: &Server) -> (Self, Vec<Answer>) {
        let mut raw = Self::open(server).await;
        raw.start(196_608, b"user\0sluice\0database\0sluice\0\0")
            .await;
        let answers = raw.until_ready().await;
        (raw, answers)
    }

    pub(super) async fn start(&mut self, code: u32, rest: &[u8]) {
        let mut packet = BytesMut::new();
        packet.put_u32(rest.len() as u32 + 8);
        packet.put_u32(code);
        packet.put_slice(rest);
        self.stream.write_all(&packet).await.unwrap();
    }

    pub(super) async fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(super) async fn send(&mut self, tag: u8, body: &[u8]) {
        let mut message = BytesMut::new();
        message.put_u8(tag);
        message.put_u32(body.len() as u32 + 4);
        message.put_slice(body);
        self.bytes(&message).await;
    }

    /// The next answer; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        loop {
            if let Some([tag, length @ ..]) = self.inbox.first_chunk::<5>() {
                let (tag, length) = (*tag, u32::from_be_bytes(*length) as usize);
                if self.inbox.len() > length {
                    self.inbox.advance(5);
                    return Some((char::from(tag), self.inbox.split_to(length - 4).freeze()));
                }
            }
            if self.stream.read_buf(&mut self.inbox).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(super) async fn until(&mut self, last: char) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.next().await {
            let tag = answer.0;
            answers.push(answer);
            if tag == last {
                break;
            }
        }
        answers
    }

    pub(super) async fn until_ready(&mut self) -> Vec<Answer> {
        self.until('Z').await
    }
}

/// The types of some answers.
pub(super) fn tags(answers: &[Answer]) -> String {
    answers.iter().map(|(tag, _)| *tag).collect()
}

/// A field of an ErrorResponse or NoticeResponse.
pub(super) fn field(answer: &Answer, key: char) -> String {
    let fields = answer.1.split(|b| *b == 0);
    let found = fields
        .filter_map(|field| field.split_first())
        .find(|(first, _)| char::from(**first) == key);
    found.map_or(String::new(), |(_, text)| {
        String::from_utf8(text.to_vec()).unwrap()
    })
}

/// The first error among some answers.
pub(super) fn error(answers: &[Answer]) -> &Answer {
    answers.iter().find(|(tag, _)| *tag == 'E').unwrap()
}
