//! Values as text: times with their unit, angles in sectors or parts of a turn, lists.

use vellum_block::Duration;

const UNITS: [(&str, u64); 5] =
    [("s", 1_000_000_000_000), ("ms", 1_000_000_000), ("us", 1_000_000), ("ns", 1_000), ("ps", 1)];

/// Decimal text times `unit`, exactly; `None` if it is no number, or not whole.
fn decimal(word: &str, unit: u64) -> Option<u64> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 12 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let scale = 10u64.pow(part.len() as u32);
    let part: u64 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let below = u128::from(part) * u128::from(unit);
    if below % u128::from(scale) != 0 {
        return None;
    }
    whole.checked_add((below / u128::from(scale)) as u64)
}

/// A time: `4.2 ms`, or `7200 rpm` for a turn of that speed.
pub(super) fn time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    if unit == "rpm" {
        let rpm: u64 = number.parse().ok().filter(|&n| n > 0)?;
        return Some(crate::config::turn_of_rpm(rpm));
    }
    let unit = UNITS.iter().find(|u| u.0 == unit)?.1;
    decimal(number, unit).map(Duration::from_ps)
}

/// The shortest text of a time: the largest unit of which it is a whole number.
pub(super) fn print_time(d: Duration) -> String {
    let ps = d.as_ps();
    let (unit, size) = UNITS.iter().find(|u| ps.is_multiple_of(u.1)).copied().unwrap_or(("ps", 1));
    if ps == 0 { "0 us".into() } else { format!("{} {unit}", ps / size) }
}

/// A skew on a track of `per_track` sectors: `8 sectors`, or in units of 2⁻³² turns.
pub(super) fn angle(text: &str, per_track: u32) -> Option<u32> {
    if let Some(n) = text.strip_suffix(" sectors") {
        let n: u32 = n.parse().ok().filter(|&n| n <= per_track)?;
        return Some(n.wrapping_mul(width(per_track)));
    }
    text.strip_suffix(" of 2^32")?.parse().ok()
}

pub(super) fn print_angle(angle: u32, per_track: u32) -> String {
    let width = width(per_track);
    let n = angle.checked_div(width).unwrap_or(0);
    if n <= per_track && n.wrapping_mul(width) == angle {
        format!("{n} sectors")
    } else {
        format!("{angle} of 2^32")
    }
}

fn width(per_track: u32) -> u32 {
    ((1u64 << 32) / u64::from(per_track.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_and_angles_come_back(ps: u64, a: u32, n in 0u32..3000, per_track in 1u32..4000) {
            let d = Duration::from_ps(ps);
            prop_assert_eq!(time(&print_time(d)), Some(d));
            prop_assert_eq!(angle(&print_angle(a, per_track), per_track), Some(a));
            let skew = n.min(per_track).wrapping_mul(width(per_track));
            prop_assert_eq!(angle(&print_angle(skew, per_track), per_track), Some(skew));
        }
    }

    #[test]
    fn fractions_are_exact_or_refused() {
        assert_eq!(time("0.25 ms"), Some(Duration::from_us(250)));
        assert_eq!(time("0.5 ps"), None);
        for bad in ["5", "ms", "-1 ms", "1e3 us", "99999999999999 s", "0 rpm", "1. 2 ms"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
