//! WebP: chunks of RIFF. The size of the whole stands before everything, so what is taken out leaves
//! its place: a chunk of zeros that nobody reads.

use super::{Broken, Format, Step};

/// What a picture consists of. Whatever is not named here becomes a chunk of zeros.
const KEPT: [&[u8; 4]; 6] = [b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];

/// The flags of an extended picture that announce Exif and XMP.
const ANNOUNCED: u8 = 0x08 | 0x04;

/// A walk through a WebP.
#[derive(Default)]
pub(super) struct Webp {
    has_begun: bool,
    /// Bytes of the picture that are still to come.
    left: u64,
    /// Bytes of a chunk to be taken out.
    blank: u64,
}

impl Format for Webp {
    fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        if !self.has_begun {
            return self.start(bytes);
        }
        if self.blank > 0 {
            return Ok(Step::Blank(std::mem::take(&mut self.blank)));
        }
        match self.left {
            0 => return Ok(Step::End),
            1..8 => return Ok(Step::Blank(std::mem::take(&mut self.left))),
            _ => {}
        }
        let Some(head) = bytes.first_chunk::<8>() else { return Ok(Step::Need(8)) };
        let [kind @ .., a, b, c, d] = *head;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        // Chunks are filled up to an even length; the last may lack that.
        let filled = (size + size % 2).min(self.left - 8);
        if filled < size {
            return Err(Broken);
        }
        if &kind == b"VP8X" {
            return self.extended(bytes, filled);
        }
        self.left -= 8 + filled;
        if KEPT.contains(&&kind) {
            return Ok(Step::Keep(8 + filled));
        }
        self.blank = filled;
        Ok(Step::Replace(8, [b"JUNK", &head[4..]].concat()))
    }

    fn may_break_off(&self) -> bool {
        self.has_begun && self.left == 0 && self.blank == 0
    }
}

impl Webp {
    fn start(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let Some(head) = bytes.first_chunk::<12>() else { return Ok(Step::Need(12)) };
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if !head.starts_with(b"RIFF") || !head.ends_with(b"WEBP") || size < 4 {
            return Err(Broken);
        }
        (self.has_begun, self.left) = (true, u64::from(size - 4));
        Ok(Step::Keep(12))
    }

    /// What follows is announced here; Exif and XMP do not follow any more.
    fn extended(&mut self, bytes: &[u8], filled: u64) -> Result<Step, Broken> {
        if filled != 10 {
            return Err(Broken);
        }
        let Some(chunk) = bytes.first_chunk::<18>() else { return Ok(Step::Need(18)) };
        self.left -= 18;
        let mut chunk = chunk.to_vec();
        chunk[8] &= !ANNOUNCED;
        Ok(Step::Replace(18, chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Picture, stripped},
        *,
    };

    fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let filling = vec![0; content.len() % 2];
        [kind.as_slice(), &size, content, &filling].concat()
    }

    fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = chunks.concat();
        let size = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
        [b"RIFF".as_slice(), &size, b"WEBP", &chunks].concat()
    }

    fn extended(flags: u8) -> Vec<u8> {
        chunk(*b"VP8X", &[flags, 0, 0, 0, 9, 0, 0, 9, 0, 0])
    }

    #[test]
    fn metadata_is_zeros_and_the_picture_is_the_same() {
        let pixels = || chunk(*b"VP8 ", &[7; 1_001]);
        let colours = || chunk(*b"ICCP", b"colours");
        let given = webp(&[
            extended(0x3e),
            colours(),
            pixels(),
            chunk(*b"EXIF", b"II*\0GPS"),
            chunk(*b"XMP ", b"GPS"),
            chunk(*b"abcd", b"GPS"),
        ]);
        let given = [given.as_slice(), b"GPS"].concat();
        let expected = webp(&[
            extended(0x32),
            colours(),
            pixels(),
            chunk(*b"JUNK", &[0; 7]),
            chunk(*b"JUNK", &[0; 3]),
            chunk(*b"JUNK", &[0; 3]),
        ]);
        assert_eq!(stripped(Picture::Webp, &given), Ok(expected));
    }

    #[test]
    fn a_simple_picture_is_left_as_it_is() {
        let given = webp(&[chunk(*b"VP8L", &[7; 100])]);
        assert_eq!(stripped(Picture::Webp, &given), Ok(given.clone()));
        assert_eq!(stripped(Picture::Webp, &given[..given.len() - 1]), Err(Broken));
        assert_eq!(stripped(Picture::Webp, &given[..10]), Err(Broken));
    }

    #[test]
    fn chunks_that_end_behind_the_picture_are_broken() {
        let mut given = webp(&[chunk(*b"VP8L", &[7; 100])]);
        given[16] = 200;
        given.resize(1_000, 0);
        assert_eq!(stripped(Picture::Webp, &given), Err(Broken));
        let short = webp(&[chunk(*b"VP8X", &[0; 4]), chunk(*b"VP8L", &[7; 100])]);
        assert_eq!(stripped(Picture::Webp, &short), Err(Broken));
    }
}
