//! GIF: blocks, most of them rows of sub-blocks with a length each.

use super::{Broken, Format, Step};

#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    Start,
    Block,
    /// Before the length of a sub-block that is kept or not.
    Row {
        is_kept: bool,
    },
    End,
}

/// A walk through a GIF.
#[derive(Default)]
pub(super) struct Gif {
    at: At,
}

impl Format for Gif {
    fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        match self.at {
            At::Start => self.start(bytes),
            At::Block => self.block(bytes),
            At::Row { is_kept } => {
                let length = u64::from(bytes[0]);
                if length == 0 {
                    self.at = At::Block;
                }
                Ok(if is_kept { Step::Keep(1 + length) } else { Step::Leave(1 + length) })
            }
            At::End => Ok(Step::End),
        }
    }

    /// Browsers do not ask for the end.
    fn may_break_off(&self) -> bool {
        matches!(self.at, At::Block | At::End)
    }
}

impl Gif {
    fn start(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let Some(head) = bytes.first_chunk::<13>() else { return Ok(Step::Need(13)) };
        if !head.starts_with(b"GIF87a") && !head.starts_with(b"GIF89a") {
            return Err(Broken);
        }
        self.at = At::Block;
        Ok(Step::Keep(13 + colours(head[10])))
    }

    fn block(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        match bytes[0] {
            0x3b => {
                self.at = At::End;
                Ok(Step::Keep(1))
            }
            0x2c => {
                let Some(head) = bytes.first_chunk::<10>() else { return Ok(Step::Need(10)) };
                self.at = At::Row { is_kept: true };
                // Behind the colours there is the size of the first code.
                Ok(Step::Keep(10 + colours(head[9]) + 1))
            }
            0x21 => Ok(self.extension(bytes)),
            _ => Err(Broken),
        }
    }

    /// What goes along with pictures: how long one is shown, and how often all are. The rest is words
    /// and what programs wrote.
    fn extension(&mut self, bytes: &[u8]) -> Step {
        let is_kept = match bytes.get(1) {
            None => return Step::Need(2),
            Some(0xf9) => true,
            Some(0xff) => match bytes.get(3..14) {
                None => return Step::Need(14),
                Some(program) => {
                    matches!(program, b"NETSCAPE2.0" | b"ANIMEXTS1.0" | b"ICCRGBG1012")
                }
            },
            Some(_) => false,
        };
        self.at = At::Row { is_kept };
        if is_kept { Step::Keep(2) } else { Step::Leave(2) }
    }
}

/// Bytes of the table of colours that these flags announce.
fn colours(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Picture, stripped},
        *,
    };

    fn gif(parts: &[&[u8]]) -> Vec<u8> {
        let start = [b"GIF89a\x01\0\x01\0\x80\0\0".as_slice(), &[0, 0, 0, 255, 255, 255]].concat();
        [start, parts.concat(), vec![0x3b]].concat()
    }

    const LOOPS: &[u8] = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    const SHOWS: &[u8] = b"\x21\xf9\x04\0\x0a\0\0\0";
    const FRAME: &[u8] = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    const OWN_COLOURS: &[u8] = b"\x2c\0\0\0\0\x01\0\x01\0\x80abcdef\x02\x02\x44\x01\0";

    #[test]
    fn metadata_is_gone_and_the_pictures_are_the_same() {
        let given = gif(&[
            LOOPS,
            b"\x21\xfe\x03GPS\x03GPS\0",
            SHOWS,
            FRAME,
            b"\x21\xff\x0bXMP DataXMP\x04<GPS\x01\xff\0",
            b"\x21\x01\x0c123456789012\x03GPS\0",
            SHOWS,
            OWN_COLOURS,
        ]);
        let given = [given.as_slice(), b"GPS"].concat();
        let expected = gif(&[LOOPS, SHOWS, FRAME, SHOWS, OWN_COLOURS]);
        assert_eq!(stripped(Picture::Gif, &given), Ok(expected));
    }

    #[test]
    fn a_picture_may_lack_the_last_byte_and_no_other() {
        let whole = gif(&[FRAME]);
        assert!(stripped(Picture::Gif, &whole[..whole.len() - 1]).is_ok());
        assert_eq!(stripped(Picture::Gif, &whole[..whole.len() - 3]), Err(Broken));
        assert_eq!(stripped(Picture::Gif, &whole[..12]), Err(Broken));
        assert_eq!(stripped(Picture::Gif, &gif(&[b"\x41"])), Err(Broken));
    }
}
