//! How a key's characters may be written in a file: plain, quoted-printable or UTF-16.

use zeroize::Zeroizing;

/// The most characters of a prefix.
pub(super) const MAX_PREFIX: usize = 32;
/// The soft line breaks of quoted-printable text (RFC 2045, section 6.7), which are not part of the text.
const SOFT_BREAKS: [&[u8]; 2] = [b"=\r\n", b"=\n"];

/// How a key's characters are written.
#[derive(Clone, Copy)]
pub(super) enum Spelling {
    /// One byte each.
    Plain,
    /// One byte each, with soft line breaks between them.
    QuotedPrintable,
    /// Two bytes each, one of which is zero (UTF-16).
    Wide,
}

/// Characters and their positions.
pub(super) struct Before {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) offsets: Vec<usize>,
}

impl Spelling {
    /// The last characters up to this underscore: one more than a prefix may have.
    pub(super) fn before(self, window: &[u8], underscore: usize) -> Before {
        let mut offsets = vec![underscore];
        while let Some(offset) = offsets.last().and_then(|last| self.previous(window, *last))
            && offsets.len() <= MAX_PREFIX
        {
            offsets.push(offset);
        }
        offsets.reverse();
        Before { bytes: Zeroizing::new(offsets.iter().map(|offset| window[*offset]).collect()), offsets }
    }

    /// The position of the character before this one.
    fn previous(self, window: &[u8], offset: usize) -> Option<usize> {
        match self {
            Self::Plain => offset.checked_sub(1),
            Self::QuotedPrintable => {
                let soft_break = SOFT_BREAKS.iter().find(|it| window[..offset].ends_with(it));
                offset.checked_sub(1 + soft_break.map_or(0, |it| it.len()))
            }
            Self::Wide => offset.checked_sub(2).filter(|_| window[offset - 1] == 0),
        }
    }
}
