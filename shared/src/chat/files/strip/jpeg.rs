//! JPEG: segments with a marker and a length, between them the picture itself.

use super::{Broken, Format, Step, high_first};

#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    Start,
    /// Before a marker.
    Marker,
    /// In the picture itself.
    Scan,
    End,
}

/// A walk through a JPEG.
#[derive(Default)]
pub(super) struct Jpeg {
    at: At,
    is_turned: bool,
}

impl Format for Jpeg {
    fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        match self.at {
            At::Start if bytes.len() < 2 => Ok(Step::Need(2)),
            At::Start if bytes.starts_with(&[0xff, 0xd8]) => {
                self.at = At::Marker;
                Ok(Step::Keep(2))
            }
            At::Start => Err(Broken),
            At::Marker => self.marker(bytes),
            At::Scan => self.scan(bytes),
            At::End => Ok(Step::End),
        }
    }

    /// Browsers show what there is of the picture.
    fn may_break_off(&self) -> bool {
        matches!(self.at, At::Scan | At::End)
    }
}

impl Jpeg {
    fn marker(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let &[0xff, marker, ..] = bytes else {
            return if bytes == [0xff] { Ok(Step::Need(2)) } else { Err(Broken) };
        };
        match marker {
            // Filling.
            0xff => return Ok(Step::Leave(1)),
            // The end; others may have hung a second picture behind it, with all that is known of it.
            0xd9 => {
                self.at = At::End;
                return Ok(Step::Keep(2));
            }
            0x01 | 0xd0..=0xd7 => return Ok(Step::Keep(2)),
            0x00 | 0xd8 => return Err(Broken),
            _ => {}
        }
        let Some(length) = high_first(bytes, 2) else { return Ok(Step::Need(4)) };
        if length < 2 {
            return Err(Broken);
        }
        let whole = 2 + usize::from(length);
        if matches!(marker, 0xe0..=0xef) {
            return Ok(self.application(marker, whole, bytes));
        }
        Ok(match marker {
            0xfe => Step::Leave(whole as u64),
            0xda => {
                self.at = At::Scan;
                Step::Keep(whole as u64)
            }
            _ => Step::Keep(whole as u64),
        })
    }

    /// What programs wrote. The form of the picture and its colours are kept, and which side is up.
    fn application(&mut self, marker: u8, whole: usize, bytes: &[u8]) -> Step {
        if bytes.len() < whole {
            return Step::Need(whole);
        }
        let content = &bytes[4..whole];
        let is_kept = match marker {
            0xe0 => content.starts_with(b"JFIF\0"),
            0xe2 => content.starts_with(b"ICC_PROFILE\0"),
            0xee => content.starts_with(b"Adobe"),
            _ => false,
        };
        if is_kept {
            return Step::Keep(whole as u64);
        }
        let turn = content.strip_prefix(b"Exif\0\0").and_then(orientation);
        match turn.filter(|_| marker == 0xe1 && !self.is_turned) {
            Some(turn) => {
                self.is_turned = true;
                Step::Replace(whole, turned(turn))
            }
            None => Step::Leave(whole as u64),
        }
    }

    /// Passes the picture up to the next marker.
    fn scan(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let mut from = 0;
        while let Some(found) = bytes[from..].iter().position(|byte| *byte == 0xff) {
            let at = from + found;
            match bytes.get(at + 1) {
                // An 0xff of the picture, a mark within it, and filling.
                Some(0x00 | 0xd0..=0xd7) => from = at + 2,
                Some(0xff) => from = at + 1,
                Some(_) if at == 0 => {
                    self.at = At::Marker;
                    return self.marker(bytes);
                }
                None if at == 0 => return Ok(Step::Need(2)),
                Some(_) | None => return Ok(Step::Keep(at as u64)),
            }
        }
        Ok(Step::Keep(bytes.len() as u64))
    }
}

/// Which side is up, 2 to 8 (1: as it is), according to Exif.
fn orientation(exif: &[u8]) -> Option<u8> {
    let is_low_first = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let two: [u8; 2] = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_low_first { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let four: [u8; 4] = exif.get(4..8)?.try_into().ok()?;
    let table = if is_low_first { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
    let table = usize::try_from(table).ok()?;
    for entry in 0..usize::from(short(table)?) {
        let at = table.checked_add(2 + 12 * entry)?;
        if short(at)? == 0x0112 {
            let turn = u8::try_from(short(at + 8)?).ok()?;
            return (2..=8).contains(&turn).then_some(turn);
        }
    }
    None
}

/// A segment of Exif that says which side is up and nothing else.
fn turned(turn: u8) -> Vec<u8> {
    let mut segment =
        b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    segment.extend_from_slice(&[turn, 0, 0, 0, 0, 0, 0]);
    segment
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Picture, stripped},
        *,
    };

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], length.as_slice(), content].concat()
    }

    /// Exif with a place on earth in it, the orientation last.
    fn exif(turn: u8, low_first: bool) -> Vec<u8> {
        let short = |number: u16| {
            if low_first { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        let long = |number: u32| {
            if low_first { number.to_le_bytes() } else { number.to_be_bytes() }
        };
        let mut content = b"Exif\0\0".to_vec();
        content.extend_from_slice(if low_first { b"II*\0" } else { b"MM\0*" });
        content.extend_from_slice(&long(8));
        content.extend_from_slice(&short(2));
        for (tag, kind, value) in [(0x8825_u16, 4_u16, 0), (0x0112, 3, u16::from(turn))] {
            content.extend_from_slice(&short(tag));
            content.extend_from_slice(&short(kind));
            content.extend_from_slice(&long(1));
            content.extend_from_slice(&short(value));
            content.extend_from_slice(&[0, 0]);
        }
        content.extend_from_slice(b"GPS 35.6892 51.3890");
        segment(0xe1, &content)
    }

    /// The picture itself: tables, a scan with all that may be in one, another scan.
    fn pixels() -> Vec<u8> {
        let mut pixels = segment(0xdb, &[1; 65]);
        pixels.extend(segment(0xc2, &[8, 0, 1, 0, 1, 1, 1, 0x11, 0]));
        pixels.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
        pixels.extend([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xff, 0, 5]);
        pixels.extend(segment(0xc4, &[0; 17]));
        pixels.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
        pixels.extend([6, 7, 0xff, 0]);
        pixels
    }

    fn jpeg(parts: &[&[u8]]) -> Vec<u8> {
        let pixels = pixels();
        [&[0xff, 0xd8], parts.concat().as_slice(), &pixels, &[0xff, 0xd9]].concat()
    }

    #[test]
    fn metadata_is_gone_and_the_picture_is_the_same() {
        let jfif = segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
        let colours = segment(0xe2, b"ICC_PROFILE\0\x01\x01colours");
        let adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\x01");
        let given = jpeg(&[
            &jfif,
            &exif(1, true),
            &segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>GPS</x:xmpmeta>"),
            &segment(0xe2, b"MPF\0GPS"),
            &colours,
            &segment(0xed, b"Photoshop 3.0\0GPS"),
            &adobe,
            &segment(0xe0, b"JFXX\0thumbnail with GPS"),
            &segment(0xfe, b"GPS"),
        ]);
        let given = [given, jpeg(&[&exif(1, true)])].concat();
        let kept = stripped(Picture::Jpeg, &given).unwrap();
        assert_eq!(kept, jpeg(&[&jfif, &colours, &adobe]));
        assert!(!kept.windows(3).any(|three| three == b"GPS"));
    }

    #[test]
    fn metadata_between_scans_is_gone_too() {
        let mut given = jpeg(&[]);
        given.truncate(given.len() - 2);
        let mut expected = given.clone();
        given.extend(segment(0xfe, b"GPS"));
        for picture in [&mut given, &mut expected] {
            picture.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
            picture.extend([9, 0xff, 0xd9]);
        }
        assert_eq!(stripped(Picture::Jpeg, &given), Ok(expected));
    }

    #[test]
    fn which_side_is_up_is_all_that_stays_of_exif() {
        for low_first in [true, false] {
            for turn in 2..=8 {
                let kept = stripped(Picture::Jpeg, &jpeg(&[&exif(turn, low_first)])).unwrap();
                assert_eq!(kept, jpeg(&[&turned(turn)]));
                assert_eq!(orientation(&turned(turn)[10..]), Some(turn));
            }
        }
        assert_eq!(turned(6).len(), 36);
        for turn in [0, 1, 9] {
            assert_eq!(stripped(Picture::Jpeg, &jpeg(&[&exif(turn, true)])), Ok(jpeg(&[])));
        }
    }

    #[test]
    fn exif_that_makes_no_sense_is_left_out() {
        for content in [
            b"Exif\0\0".as_slice(),
            b"Exif\0\0II*\0",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
            b"Exif\0\0XX\0*\0\0\0\x08\0\0",
        ] {
            let given = jpeg(&[&segment(0xe1, content)]);
            assert_eq!(stripped(Picture::Jpeg, &given), Ok(jpeg(&[])));
        }
    }

    #[test]
    fn a_picture_may_break_off_but_not_before_it_began() {
        let whole = jpeg(&[]);
        assert!(stripped(Picture::Jpeg, &whole[..whole.len() - 2]).is_ok());
        assert_eq!(stripped(Picture::Jpeg, &whole[..30]), Err(Broken));
        assert_eq!(stripped(Picture::Jpeg, &[0xff, 0xd8, 0xff, 0xe1, 0, 1]), Err(Broken));
        assert_eq!(stripped(Picture::Jpeg, &[0xff, 0xd8, 0x41, 0x41]), Err(Broken));
    }
}
