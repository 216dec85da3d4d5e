//! Forms with files, byte by byte as clients send them.

/// A form that is being filled in.
#[derive(Debug, Default, Clone)]
pub struct Form(Vec<u8>);

/// What ends the parts.
const BOUNDARY: &str = "peyk-test-boundary-6f1b2c";

impl Form {
    /// The media type of the body.
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.begin(&format!("name=\"{name}\""), None);
        self.0.extend_from_slice(value.as_bytes());
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, name: &str, called: &str, mime: Option<&str>, content: &[u8]) -> Self {
        self.begin(&format!("name=\"{name}\"; filename=\"{called}\""), mime);
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// The body.
    pub fn body(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }

    /// The body as far as it goes.
    pub fn half_a_body(self) -> Vec<u8> {
        self.0
    }

    fn begin(&mut self, disposition: &str, mime: Option<&str>) {
        let kind = mime.map(|mime| format!("Content-Type: {mime}\r\n")).unwrap_or_default();
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n");
        self.0.extend_from_slice(head.as_bytes());
    }
}
