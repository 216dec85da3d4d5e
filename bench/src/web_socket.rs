//! As little of WebSockets (RFC 6455) as a light client needs: opened by hand, frames hardly read.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::http::end_of_head;

/// A text frame, whole.
const TEXT: u8 = 0x81;
/// Longer payloads have two bytes more for their length.
const SHORT: usize = 125;

/// A frame as a server writes it.
pub(crate) fn server_frame(payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut frame = vec![TEXT];
    push_length(&mut frame, payload.len(), 0)?;
    frame.extend_from_slice(payload);
    Ok(frame)
}

/// The same as a client writes it; masked with zeros, which change nothing.
fn client_frame(payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut frame = vec![TEXT];
    push_length(&mut frame, payload.len(), 0x80)?;
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    Ok(frame)
}

fn push_length(frame: &mut Vec<u8>, length: usize, mask: u8) -> anyhow::Result<()> {
    if length <= SHORT {
        frame.push(mask | u8::try_from(length)?);
    } else {
        frame.push(mask | 0x7e);
        frame.extend_from_slice(&u16::try_from(length)?.to_be_bytes());
    }
    Ok(())
}

/// An open socket, to be read from.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// What is read from a stream that is open already, frame by frame.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(4_096) }
    }

    /// Opens one at a path.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &str,
        access: &str,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {access}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self::over(stream);
        let head = loop {
            if let Some(end) = end_of_head(&socket.buffer) {
                break end;
            }
            socket.fill().await?;
        };
        let said = String::from_utf8_lossy(&socket.buffer[..head]);
        ensure!(said.starts_with("HTTP/1.1 101 "), "no socket: {said}");
        socket.buffer.drain(..head);
        Ok(socket)
    }

    /// Says something, and waits for what is answered to it.
    pub(crate) async fn ask(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(&client_frame(payload)?).await?;
        let mut frames = 0;
        while frames == 0 {
            self.read(|_| frames += 1).await?;
        }
        Ok(())
    }

    /// Waits for bytes and gives the payloads of all texts that are whole.
    pub(crate) async fn read(&mut self, mut each: impl FnMut(&[u8])) -> anyhow::Result<()> {
        self.fill().await?;
        let mut at = 0;
        while let Some((is_text, payload, end)) = frame_at(&self.buffer, at) {
            if is_text {
                each(&self.buffer[payload..end]);
            }
            at = end;
        }
        self.buffer.drain(..at);
        Ok(())
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.context("a socket")?;
        ensure!(read > 0, "a socket was closed");
        Ok(())
    }
}

/// The frame that begins here: whether it is a text, where its payload begins and ends.
fn frame_at(bytes: &[u8], at: usize) -> Option<(bool, usize, usize)> {
    let (first, second) = (*bytes.get(at)?, usize::from(*bytes.get(at + 1)?));
    let (payload, length) = if second <= SHORT {
        (at + 2, second)
    } else {
        let length = bytes.get(at + 2..at + 4)?.try_into().ok()?;
        (at + 4, usize::from(u16::from_be_bytes(length)))
    };
    let end = payload + length;
    (end <= bytes.len()).then_some((first == TEXT, payload, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_writes_is_read_frame_by_frame() {
        for length in [0, 125, 126, 4_000] {
            let mut bytes = server_frame(&vec![b'x'; length]).unwrap();
            let one = bytes.len();
            bytes.extend(server_frame(b"next").unwrap());
            let (is_text, payload, end) = frame_at(&bytes, 0).unwrap();
            assert!(is_text);
            assert_eq!((end - payload, end), (length, one));
            assert_eq!(&bytes[frame_at(&bytes, end).unwrap().1..], b"next");
            assert!(frame_at(&bytes[..one - 1], 0).is_none());
        }
    }
}
