//! PNG: chunks with a length, a type and a checksum.

use super::{Broken, Format, Step};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What a picture may have beside itself: colours, transparency, size, movement. Whatever is not
/// named here and not needed to show the picture is left out.
const KEPT: [&[u8; 4]; 16] = [
    b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD",
    b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

/// Length, type and checksum of a chunk.
const FRAME: u64 = 12;

/// A walk through a PNG.
#[derive(Default)]
pub(super) struct Png {
    has_begun: bool,
    is_over: bool,
}

impl Format for Png {
    fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        if self.is_over {
            return Ok(Step::End);
        }
        let Some(first) = bytes.first_chunk::<8>() else { return Ok(Step::Need(8)) };
        if !self.has_begun {
            self.has_begun = true;
            return if first == SIGNATURE { Ok(Step::Keep(8)) } else { Err(Broken) };
        }
        let [a, b, c, d, kind @ ..] = *first;
        let length = u32::from_be_bytes([a, b, c, d]);
        if i32::try_from(length).is_err() || !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(Broken);
        }
        self.is_over = &kind == b"IEND";
        let whole = FRAME + u64::from(length);
        let is_needed = kind[0].is_ascii_uppercase();
        let is_kept = is_needed || KEPT.contains(&&kind);
        Ok(if is_kept { Step::Keep(whole) } else { Step::Leave(whole) })
    }

    /// With its last chunk it is over, if nothing follows.
    fn may_break_off(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Picture, stripped},
        *,
    };

    fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [length.as_slice(), &kind, content, b"csum"].concat()
    }

    fn png(parts: &[Vec<u8>]) -> Vec<u8> {
        let start = [SIGNATURE, &chunk(*b"IHDR", &[0; 13])].concat();
        [start, parts.concat(), chunk(*b"IEND", &[])].concat()
    }

    #[test]
    fn metadata_is_gone_and_the_picture_is_the_same() {
        let colours = || chunk(*b"iCCP", b"colours");
        let pixels = || chunk(*b"IDAT", &[7; 5_000]);
        let given = png(&[
            colours(),
            chunk(*b"eXIf", b"II*\0GPS"),
            chunk(*b"tEXt", b"Comment\0GPS"),
            chunk(*b"tIME", b"1234567"),
            pixels(),
            chunk(*b"zTXt", b"GPS"),
            pixels(),
            chunk(*b"iTXt", b"XML:com.adobe.xmp\0GPS"),
            chunk(*b"caBX", b"GPS"),
        ]);
        let given = [given.as_slice(), b"GPS behind the end"].concat();
        assert_eq!(stripped(Picture::Png, &given), Ok(png(&[colours(), pixels(), pixels()])));
    }

    #[test]
    fn a_picture_without_its_end_is_broken() {
        let whole = png(&[chunk(*b"IDAT", &[7; 50])]);
        assert_eq!(stripped(Picture::Png, &whole), Ok(whole.clone()));
        for cut in [4, 20, 60, whole.len() - 1] {
            assert_eq!(stripped(Picture::Png, &whole[..cut]), Err(Broken), "{cut}");
        }
        let long = [SIGNATURE, b"\xff\xff\xff\xffIDAT"].concat();
        assert_eq!(stripped(Picture::Png, &long), Err(Broken));
    }
}
