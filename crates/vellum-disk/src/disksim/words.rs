//! Words, marks and numbers of a parameter file.

/// Decimal milliseconds as picoseconds, exactly; digits below a picosecond are dropped.
pub fn ms(word: &str) -> Option<u64> {
    decimal(word, 9)
}

/// A non-negative decimal number times 10^`digits`, exactly, the rest dropped.
pub fn decimal(word: &str, digits: usize) -> Option<u64> {
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().ok()?),
        None => (word, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || mantissa.len() > 40 || exponent.abs() > 30 {
        return None;
    }
    let shift = digits as i32 + exponent;
    let text: String = whole.chars().chain(fraction.chars()).collect();
    let n: u128 = if text.is_empty() { 0 } else { text.parse().ok()? };
    let power = shift - fraction.len() as i32;
    let scaled = if power >= 0 {
        n.checked_mul(10u128.checked_pow(power as u32)?)?
    } else {
        n / 10u128.checked_pow(power.unsigned_abs())?
    };
    u64::try_from(scaled).ok()
}

/// What a file is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Mark(char),
}

/// Words and marks, each with its line; comments are left out.
pub(super) fn tokens(text: &str) -> Vec<(u32, Token)> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            let mark = matches!(c, '{' | '}' | '[' | ']' | '=' | ',');
            if (mark || c.is_whitespace()) && !word.is_empty() {
                out.push((i as u32 + 1, Token::Word(std::mem::take(&mut word))));
            }
            if mark {
                out.push((i as u32 + 1, Token::Mark(c)));
            } else if !c.is_whitespace() && c != '"' {
                word.push(c);
            }
        }
    }
    out
}
