//! What a person types: keys for the guest, and a few for the monitor behind `Ctrl-A`.

const CTRL_A: u8 = 0x01;

/// What the monitor is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `Ctrl-A x`: leave.
    Leave,
    /// `Ctrl-A h` or `Ctrl-A ?`: say which keys there are.
    Help,
    /// `Ctrl-A s`: say how the guest is doing.
    Status,
}

/// Splits the keys into the guest's and the monitor's. Keeps a `Ctrl-A` that ends a read.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

pub const HELP: &str = "Ctrl-A x  leave            Ctrl-A s  how the guest is doing\n\
                        Ctrl-A h  this help        Ctrl-A Ctrl-A  a Ctrl-A for the guest\n";

impl Keys {
    /// Takes what was typed; what is the guest's goes to `guest`. What follows a [`Ask::Leave`] is
    /// nobody's.
    pub fn take(&mut self, typed: &[u8], guest: &mut Vec<u8>) -> Option<Ask> {
        let mut asked = None;
        for &key in typed {
            if !std::mem::take(&mut self.escaped) {
                match key {
                    CTRL_A => self.escaped = true,
                    _ => guest.push(key),
                }
                continue;
            }
            match key {
                b'x' | b'X' => return Some(Ask::Leave),
                b'h' | b'H' | b'?' => asked = Some(Ask::Help),
                b's' | b'S' => asked = Some(Ask::Status),
                CTRL_A | b'a' => guest.push(CTRL_A),
                // Not a command: the guest gets both, so that nothing typed is lost.
                _ => guest.extend([CTRL_A, key]),
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &[&[u8]], guest: &[u8], asked: &[Ask]) {
        let mut keys = Keys::default();
        let (mut got, mut all) = (Vec::new(), Vec::new());
        for piece in typed {
            all.extend(keys.take(piece, &mut got));
        }
        assert_eq!((got.as_slice(), all.as_slice()), (guest, asked), "{typed:?}");
    }

    #[test]
    fn the_escape_key_reaches_the_monitor_and_nothing_else_does() {
        check(&[b"ls\x03\r"], b"ls\x03\r", &[]);
        check(&[b"a\x01x"], b"a", &[Ask::Leave]);
        check(&[b"a\x01", b"x"], b"a", &[Ask::Leave]);
        check(&[b"\x01\x01b"], b"\x01b", &[]);
        check(&[b"\x01h\x01s"], b"", &[Ask::Status]);
        check(&[b"\x01", b"h", b"\x01", b"s"], b"", &[Ask::Help, Ask::Status]);
        check(&[b"\x01qz"], b"\x01qz", &[]);
    }
}
