//! The frame of all pages of the sandbox: one style, one policy of what a browser may load.

use poem::{IntoResponse, Response, http::header, web::Html};
use shared::ids::random_handle;

/// A page that is written into.
pub(super) struct Sheet {
    nonce: String,
    html: String,
    policy: String,
}

/// What stands in a page's head.
pub(super) struct Head {
    /// The language most of it is in, and its direction: `lang="en"`.
    pub(super) language: &'static str,
    pub(super) title: &'static str,
    /// More of the head, as it is.
    pub(super) more: &'static str,
}

/// What these pages share with the console, and what is their own.
const STYLE: &str = concat!(include_str!("../../../console/base.css"), include_str!("style.css"));

impl Sheet {
    /// A page with nothing in it but its head.
    pub(super) fn new(head: &Head) -> Self {
        let nonce = random_handle(&mut rand::rng());
        let Head { language, title, more } = head;
        let html = format!(
            "<!doctype html>\n<html {language}><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n{more}\
             <title>{title}</title>\n<style nonce=\"{nonce}\">\n{STYLE}</style></head><body>\n"
        );
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self { nonce, html, policy }
    }

    /// Adds what is HTML already.
    pub(super) fn push(&mut self, html: &str) {
        self.html.push_str(html);
        self.html.push('\n');
    }

    /// Adds a script, which this page alone may run.
    pub(super) fn script(&mut self, script: &str) {
        let nonce = self.nonce.clone();
        self.allow(&format!("script-src 'nonce-{nonce}'"));
        self.push(&format!("<script nonce=\"{nonce}\">{script}</script>"));
    }

    /// Lets a browser do something more: a directive of `Content-Security-Policy`.
    pub(super) fn allow(&mut self, directive: &str) {
        self.policy.push_str("; ");
        self.policy.push_str(directive);
    }

    /// The whole page.
    pub(super) fn finish(mut self) -> Response {
        self.html.push_str("</body></html>\n");
        Html(self.html).with_header(header::CONTENT_SECURITY_POLICY, self.policy).into_response()
    }
}

/// Text as it may stand in HTML, also in an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
