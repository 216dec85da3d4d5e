//! As little HTTP/1.1 as a light client needs: requests made beforehand, answers hardly read.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use anyhow::Context;
use shared::{
    config,
    otp::{Purpose, code::CodeKeys},
    phone::PhoneNumber,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// `POST /api/otp/send/` for a number; only its last eight digits change.
#[derive(Debug, Clone)]
pub(crate) struct SendRequest {
    bytes: Vec<u8>,
}

impl SendRequest {
    pub(crate) fn new() -> Self {
        let body = "{\"mobile_number\":\"09100000000\"}";
        let length = body.len();
        let head = "POST /api/otp/send/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\
            Content-Type: application/json\r\nPrefer: respond-async\r\n";
        Self { bytes: format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes() }
    }

    /// The request for `091` and these digits.
    pub(crate) fn to(&mut self, mut number: u64) -> &[u8] {
        let end = self.bytes.len() - 2;
        for digit in self.bytes[end - 8..end].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
        &self.bytes
    }
}

/// The key that codes of logins are derived with.
pub(crate) const OTP_KEY: &str = "cGV5ay1iZW5jaC1vdHAta2V5LW9mLTMyLWJ5dGVzLi4=";
/// The nonce of all of them.
pub(crate) const NONCE: [u8; 16] = *b"sixteen bytes ok";

/// `POST /api/authenticate/` for a number, with the code its row stands for.
#[derive(Debug, Clone)]
pub(crate) struct LoginRequest {
    bytes: Vec<u8>,
    keys: Arc<CodeKeys>,
}

impl LoginRequest {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let keys = BTreeMap::from([("k1".to_owned(), OTP_KEY.to_owned().into())]);
        let active_key = "k1".to_owned();
        let config = config::Otp { active_key, keys, ..config::Otp::default() };
        let body = "{\"code\":\"00000000\",\"mobile_number\":\"09100000000\"}";
        let length = body.len();
        let head = "POST /api/authenticate/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\
            Content-Type: application/json\r\n";
        let bytes = format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes();
        Ok(Self { bytes, keys: CodeKeys::new(&config)?.into() })
    }

    fn to(&mut self, number: u64) -> anyhow::Result<&[u8]> {
        let number = format!("{number:08}");
        let phone = PhoneNumber::from_e164(&format!("+9891{number}"))?;
        let code = self.keys.derive("k1", Purpose::Login, &phone, &NONCE, 8).context("no key")?;
        let end = self.bytes.len() - 2;
        self.bytes[end - 8..end].copy_from_slice(number.as_bytes());
        let code_end = self.bytes.len() - "\",\"mobile_number\":\"09100000000\"}".len();
        self.bytes[code_end - 8..code_end].copy_from_slice(code.as_bytes());
        Ok(&self.bytes)
    }
}

/// What a load asks for.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// A code.
    Send(SendRequest),
    /// To be let in.
    LogIn(LoginRequest),
}

impl Ask {
    /// The request for `091` and these digits.
    pub(crate) fn to(&mut self, number: u64) -> anyhow::Result<&[u8]> {
        match self {
            Self::Send(request) => Ok(request.to(number)),
            Self::LogIn(request) => request.to(number),
        }
    }

    /// The status of the answer everybody wants.
    pub(crate) fn good(&self) -> u16 {
        match self {
            Self::Send(_) => 202,
            Self::LogIn(_) => 200,
        }
    }
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and gives the status and the body of its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let body = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(body) = end_of_head(&self.buffer) {
                break body;
            }
        };
        let head = &self.buffer[..body];
        let status = head.get(9..12).and_then(number).ok_or(io::ErrorKind::InvalidData)?;
        let end = body + content_length(head).ok_or(io::ErrorKind::InvalidData)?;
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((u16::try_from(status).unwrap_or(0), &self.buffer[body..end]))
    }
}

/// Where the body begins, once the head is whole.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The header `Content-Length`.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked("content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| number(value.trim_ascii()))?
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_carries_its_number_and_its_code() {
        let mut request = LoginRequest::new().unwrap();
        let bodies = [7, 12_345_678].map(|number| {
            let bytes = request.to(number).unwrap();
            let body = &bytes[end_of_head(bytes).unwrap()..];
            assert_eq!(content_length(bytes), Some(body.len()));
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(body["mobile_number"], format!("091{number:08}"));
            body["code"].as_str().unwrap().to_owned()
        });
        assert!(bodies.iter().all(|code| code.len() == 8 && code != "00000000"));
        assert_ne!(bodies[0], bodies[1]);
    }

    #[test]
    fn a_request_carries_its_number() {
        let mut request = SendRequest::new();
        for (number, text) in [(12, "09100000012"), (98_765_432, "09198765432")] {
            let bytes = request.to(number).to_vec();
            let body = &bytes[end_of_head(&bytes).unwrap()..];
            assert_eq!(body, format!("{{\"mobile_number\":\"{text}\"}}").as_bytes());
            assert_eq!(content_length(&bytes), Some(body.len()));
        }
    }
}
