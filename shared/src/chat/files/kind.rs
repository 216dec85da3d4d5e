//! What a file is: told by its first bytes, and by the ending of its name only where both agree.
//!
//! Nothing here is a type that a browser runs, and files are served under what stands here whatever
//! their uploader called them. What is not known is a row of bytes.

use std::str::from_utf8;

/// What a file of no known type is.
const BYTES: &str = "application/octet-stream";

/// Text without any form.
const TEXT: &str = "text/plain";

/// How many bytes at the beginning of a file tell what it is.
pub const HEAD_BYTES: usize = 4_096;

/// A type that files are given.
struct Known {
    mime: &'static str,
    /// The endings of names; addresses have the first.
    endings: &'static [&'static str],
    /// What the first bytes look like, where that is not the type itself.
    looks_like: &'static [&'static str],
    /// Whether a name that says this of another file is refused.
    is_strict: bool,
}

const fn known(mime: &'static str, endings: &'static [&'static str]) -> Known {
    Known { mime, endings, looks_like: &[], is_strict: false }
}

const fn strict(mime: &'static str, endings: &'static [&'static str]) -> Known {
    Known { is_strict: true, ..known(mime, endings) }
}

#[expect(clippy::needless_pass_by_value, reason = "a constant is made of it")]
const fn like(known: Known, looks_like: &'static [&'static str]) -> Known {
    Known { looks_like, ..known }
}

const ZIP: &str = "application/zip";

const KNOWN: &[Known] = &[
    strict("image/jpeg", &["jpg", "jpeg", "jpe"]),
    strict("image/png", &["png"]),
    strict("image/gif", &["gif"]),
    strict("image/webp", &["webp"]),
    strict("application/pdf", &["pdf"]),
    known(ZIP, &["zip"]),
    known("application/x-7z-compressed", &["7z"]),
    known("application/vnd.rar", &["rar"]),
    known("application/gzip", &["gz"]),
    known("audio/mpeg", &["mp3"]),
    like(known("audio/mp4", &["m4a"]), &["audio/m4a", "video/mp4"]),
    like(known("audio/ogg", &["ogg", "oga", "opus"]), &["audio/opus", "video/ogg"]),
    like(known("audio/wav", &["wav"]), &["audio/x-wav"]),
    known("audio/amr", &["amr"]),
    known("audio/aac", &["aac"]),
    like(known("audio/flac", &["flac"]), &["audio/x-flac"]),
    like(known("video/mp4", &["mp4", "m4v"]), &["video/x-m4v", "video/quicktime"]),
    known("video/quicktime", &["mov"]),
    known("video/webm", &["webm"]),
    known("video/x-matroska", &["mkv"]),
    like(
        known("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
        &[ZIP],
    ),
    like(
        known("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
        &[ZIP],
    ),
    like(
        known(
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            &["pptx"],
        ),
        &[ZIP],
    ),
    like(known("application/vnd.oasis.opendocument.text", &["odt"]), &[ZIP]),
    known(TEXT, &["txt", "log", "md"]),
];

/// A picture whose form is known well enough to take out what does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl Picture {
    /// The picture that a file of this type is.
    pub fn of_mime(mime: &str) -> Option<Self> {
        match mime {
            "image/jpeg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/gif" => Some(Self::Gif),
            "image/webp" => Some(Self::Webp),
            _ => None,
        }
    }
}

/// What was found out about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sniffed {
    /// The type it is served under.
    pub(super) mime: &'static str,
    /// The picture that its bytes are, whatever it is called.
    pub(super) picture: Option<Picture>,
}

/// A file is not what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file is not what its name says")]
pub(super) struct Mismatch;

/// Tells what a file is by its first [`HEAD_BYTES`] and its name.
pub(super) fn sniff(head: &[u8], name: &str) -> Result<Sniffed, Mismatch> {
    let found = infer::get(head).map(|kind| kind.mime_type());
    let picture = found.and_then(Picture::of_mime);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let claimed = ending
        .as_deref()
        .and_then(|ending| KNOWN.iter().find(|known| known.endings.contains(&ending)));
    let mime = match (claimed, found) {
        (Some(claimed), Some(found)) if claimed.covers(found) => claimed.mime,
        (Some(claimed), None) if claimed.mime == TEXT && is_text(head) => TEXT,
        (Some(claimed), _) if claimed.is_strict => return Err(Mismatch),
        (None, Some(found)) if ending.is_none() => by_bytes(found),
        _ => BYTES,
    };
    Ok(Sniffed { mime, picture })
}

impl Known {
    fn covers(&self, found: &str) -> bool {
        self.mime == found || self.looks_like.contains(&found)
    }
}

fn by_bytes(found: &str) -> &'static str {
    KNOWN.iter().find(|known| known.mime == found).map_or(BYTES, |known| known.mime)
}

/// UTF-8 that may be cut at the end, without anything but text in it.
fn is_text(head: &[u8]) -> bool {
    let text = match from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

/// The ending of an address of a file of this type.
pub(super) fn extension(mime: &str) -> &'static str {
    let known = KNOWN.iter().find(|known| known.mime == mime);
    known.and_then(|known| known.endings.first()).copied().unwrap_or("bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0";
    const WEBP: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L";
    const PDF: &[u8] = b"%PDF-1.7\n";
    const HTML: &[u8] = b"<!DOCTYPE html><script>alert(1)</script>";
    const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    const EXE: &[u8] = b"MZ\x90\0\x03\0\0\0";
    const MP3: &[u8] = b"ID3\x04\0\0\0\0\0\0";

    fn mime(head: &[u8], name: &str) -> Result<&'static str, Mismatch> {
        sniff(head, name).map(|sniffed| sniffed.mime)
    }

    #[test]
    fn bytes_and_name_agree_or_the_file_is_no_picture() {
        for (head, name, expected) in [
            (PNG, "a.png", Ok("image/png")),
            (PNG, "A.PNG", Ok("image/png")),
            (PNG, "a", Ok("image/png")),
            (JPEG, "a.jpeg", Ok("image/jpeg")),
            (GIF, "a.gif", Ok("image/gif")),
            (WEBP, "a.webp", Ok("image/webp")),
            (PDF, "a.pdf", Ok("application/pdf")),
            (MP3, "a.mp3", Ok("audio/mpeg")),
            (
                b"PK\x03\x04\x14\0",
                "a.docx",
                Ok("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ),
            (b"PK\x03\x04\x14\0", "a.zip", Ok(ZIP)),
            ("سلام".as_bytes(), "a.txt", Ok(TEXT)),
            (&"سلام".as_bytes()[..7], "a.txt", Ok(TEXT)),
            // The name lies.
            (JPEG, "a.png", Err(Mismatch)),
            (HTML, "a.png", Err(Mismatch)),
            (HTML, "a.pdf", Err(Mismatch)),
            (EXE, "a.jpg", Err(Mismatch)),
            (b"hello", "a.gif", Err(Mismatch)),
            // Nothing that runs is anything but bytes.
            (HTML, "a.html", Ok(BYTES)),
            (HTML, "a.txt", Ok(BYTES)),
            (HTML, "a", Ok(BYTES)),
            (b"<script>", "x.html", Ok(BYTES)),
            (SVG, "a.svg", Ok(BYTES)),
            (SVG, "a", Ok(BYTES)),
            (ELF, "a.mp3", Ok(BYTES)),
            (ELF, "a", Ok(BYTES)),
            (EXE, "a.exe", Ok(BYTES)),
            (b"alert(1)", "a.js", Ok(BYTES)),
            (b"#!/bin/sh\n", "a.sh", Ok(BYTES)),
            (b"\0\x01\x02", "a.txt", Ok(BYTES)),
            // A picture under the name of a page is bytes.
            (PNG, "a.html", Ok(BYTES)),
        ] {
            assert_eq!(mime(head, name), expected, "{name} {:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_picture_is_one_whatever_it_is_called() {
        assert_eq!(sniff(PNG, "a.html").unwrap().picture, Some(Picture::Png));
        assert_eq!(sniff(JPEG, "a").unwrap().picture, Some(Picture::Jpeg));
        assert_eq!(sniff(PDF, "a.pdf").unwrap().picture, None);
    }

    #[test]
    fn addresses_end_in_nothing_that_runs() {
        assert_eq!(extension("image/jpeg"), "jpg");
        assert_eq!(extension(TEXT), "txt");
        assert_eq!(extension("text/html"), "bin");
        for known in KNOWN {
            let runs = ["html", "htm", "svg", "js", "xml", "xhtml"];
            assert!(!known.endings.iter().any(|ending| runs.contains(ending)));
            assert!(known.mime.len() <= 127);
        }
    }
}
