//! Takes out of pictures what is no picture: where and with what they were taken, thumbnails,
//! comments, and whatever hangs behind them. The picture itself stays as it is, byte for byte.
//!
//! It is done while the bytes pass, with no more than a segment of them at hand: libraries for it hold
//! whole pictures.

mod gif;
mod jpeg;
mod png;
mod webp;

use self::{gif::Gif, jpeg::Jpeg, png::Png, webp::Webp};
use super::kind::Picture;

/// The most that a format may want to look at in one piece: a segment of a JPEG.
const MOST_HELD: usize = 70_000;

/// The bytes are not the picture they begin as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no picture, or a broken one")]
pub(super) struct Broken;

/// What a format wants done with the bytes that come next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// To see so many of them.
    Need(usize),
    /// They belong to the picture.
    Keep(u64),
    /// They do not.
    Leave(u64),
    /// They do not, but their place has to stay.
    Blank(u64),
    /// So many of them make place for these.
    Replace(usize, Vec<u8>),
    /// The picture is over, and whatever follows is left.
    End,
}

/// Walks through the parts of a picture.
trait Format: Send {
    /// What to do next. `bytes` begin where the last step ended; there is one at least.
    fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken>;

    /// Whether a picture that breaks off here may be shown.
    fn may_break_off(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy)]
enum Passing {
    Kept,
    Left,
    Blanked,
}

/// Takes the bytes of one picture as they come.
pub(super) struct Stripper {
    format: Box<dyn Format>,
    held: Vec<u8>,
    need: usize,
    passing: Passing,
    /// Bytes that pass without being looked at.
    passes: u64,
    is_over: bool,
}

impl Stripper {
    pub(super) fn new(picture: Picture) -> Self {
        let format: Box<dyn Format> = match picture {
            Picture::Jpeg => Box::new(Jpeg::default()),
            Picture::Png => Box::new(Png::default()),
            Picture::Gif => Box::new(Gif::default()),
            Picture::Webp => Box::new(Webp::default()),
        };
        let passing = Passing::Kept;
        Self { format, held: Vec::new(), need: 1, passing, passes: 0, is_over: false }
    }

    /// Takes bytes and adds to `out` what is left of them.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let mut rest = held.as_slice();
        while !rest.is_empty() && !self.is_over {
            if self.passes > 0 {
                rest = self.pass(rest, out);
            } else if rest.len() < self.need {
                break;
            } else {
                rest = self.step(rest, out)?;
            }
        }
        if !self.is_over {
            self.held = rest.to_vec();
        }
        Ok(())
    }

    /// Says that the bytes are over.
    pub(super) fn finish(&self) -> Result<(), Broken> {
        let is_between = self.held.is_empty() && self.passes == 0;
        if self.is_over || (is_between && self.format.may_break_off()) {
            return Ok(());
        }
        Err(Broken)
    }

    fn pass<'a>(&mut self, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let here = usize::try_from(self.passes).map_or(rest.len(), |all| all.min(rest.len()));
        let (passing, rest) = rest.split_at(here);
        match self.passing {
            Passing::Kept => out.extend_from_slice(passing),
            Passing::Left => {}
            Passing::Blanked => out.resize(out.len() + here, 0),
        }
        self.passes -= here as u64;
        rest
    }

    fn step<'a>(&mut self, rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Broken> {
        self.need = 1;
        match self.format.next(rest)? {
            Step::Need(bytes) if bytes <= MOST_HELD && bytes > rest.len() => self.need = bytes,
            Step::Need(_) => return Err(Broken),
            Step::Keep(bytes) => (self.passing, self.passes) = (Passing::Kept, bytes),
            Step::Leave(bytes) => (self.passing, self.passes) = (Passing::Left, bytes),
            Step::Blank(bytes) => (self.passing, self.passes) = (Passing::Blanked, bytes),
            Step::Replace(bytes, with) => {
                out.extend_from_slice(&with);
                return rest.get(bytes..).ok_or(Broken);
            }
            Step::End => self.is_over = true,
        }
        Ok(rest)
    }
}

/// The two bytes at a place, the higher first.
fn high_first(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
fn strip(picture: Picture, bytes: &[u8], at_once: usize) -> Result<Vec<u8>, Broken> {
    let mut stripper = Stripper::new(picture);
    let mut out = Vec::new();
    for piece in bytes.chunks(at_once) {
        stripper.push(piece, &mut out)?;
    }
    stripper.finish()?;
    Ok(out)
}

/// Strips in pieces of many sizes, which makes no difference, and twice, which makes none either.
#[cfg(test)]
fn stripped(picture: Picture, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    let whole = strip(picture, bytes, bytes.len().max(1));
    for at_once in [1, 2, 3, 7, 64] {
        assert_eq!(strip(picture, bytes, at_once), whole, "in pieces of {at_once}");
    }
    if let Ok(once) = &whole {
        assert_eq!(strip(picture, once, 5).as_ref(), Ok(once), "twice");
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_no_kind_are_broken_and_never_held() {
        for picture in [Picture::Jpeg, Picture::Png, Picture::Gif, Picture::Webp] {
            for byte in [0_u8, 0x2c, 0x89, 0xff] {
                let bytes = vec![byte; 100_000];
                let mut stripper = Stripper::new(picture);
                let mut out = Vec::new();
                let pushed = stripper.push(&bytes, &mut out);
                assert!(stripper.held.len() <= MOST_HELD, "{picture:?}");
                assert!(pushed.is_err() || stripper.finish().is_err(), "{picture:?} {byte}");
            }
        }
    }
}
