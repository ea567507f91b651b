//! What theory says of write amplification and of time, to hold the layer against.
//!
//! The mean field of greedy collection under uniform random single-page overwrites (Van Houdt, *A Mean
//! Field Model for a Class of Garbage Collection Algorithms*, SIGMETRICS 2013, with the number of
//! choices going to infinity): with `b` pages a block and `α` physical pages a logical one, find the
//! whole `m` and `0 ≤ q < 1` with `(H_b − H_m + q/m) / α = (b − m + q) / b`, `H` the harmonic
//! numbers; the write amplification is `b / (b − m + q)`.

/// Write amplification of greedy collection under uniform traffic. `alpha` is physical over logical
/// pages, more than 1; `b` pages a block. `None` when the equation has no root (`alpha` ≤ 1).
pub fn greedy(alpha: f64, b: u32) -> Option<f64> {
    if alpha.is_nan() || alpha <= 1.0 || b == 0 {
        return None;
    }
    let (rho, b_f) = (1.0 / alpha, f64::from(b));
    let all: f64 = (1..=b).map(|i| 1.0 / f64::from(i)).sum();
    let mut below = 0.0;
    for m in 1..=b {
        let m_f = f64::from(m);
        below += 1.0 / m_f;
        // ρ(H_b − H_m) + ρq/m = (b − m)/b + q/b is linear in q.
        let slope = 1.0 / b_f - rho / m_f;
        let q = (rho * (all - below) - (b_f - m_f) / b_f) / slope;
        if (-1e-12..1.0).contains(&q) {
            return Some(b_f / (b_f - m_f + q));
        }
    }
    None
}

/// `α = (T − r)·b / U`: `blocks` of which `reserved` never take part, `pages` a block, `logical`
/// pages.
pub fn alpha(blocks: u32, reserved: f64, pages: u32, logical: u32) -> f64 {
    (f64::from(blocks) - reserved) * f64::from(pages) / f64::from(logical)
}

/// Time of overwriting one page in place, when a write erases its whole block: the block's other
/// pages are read, the block is erased, and all of its pages are programmed. Times in µs.
pub fn write_in_place(read: f64, program: f64, erase: f64, pages: u32) -> f64 {
    let pages = f64::from(pages);
    (pages - 1.0) * read + erase + pages * program
}

/// Mean time of a write with remapping at a write amplification: its program, its share of the moves
/// (each a read and a program) and of the erase. Times in µs.
pub fn write_remapped(read: f64, program: f64, erase: f64, pages: u32, waf: f64) -> f64 {
    program + (waf - 1.0) * (read + program) + waf * erase / f64::from(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_come_out() {
        // Table of greedy write amplification at b = 64 (Van Houdt's limit).
        for (op, expected) in [(0.07, 7.010), (0.10, 5.247), (0.20, 3.053), (0.28, 2.403)] {
            let waf = greedy(1.0 + op, 64).unwrap();
            assert!((waf - expected).abs() < 6e-4, "{op}: {waf}");
        }
        // For large blocks it tends to the first-in-first-out limit.
        assert!((greedy(1.10, 1 << 14).unwrap() - 5.678).abs() < 0.01);
        assert_eq!(greedy(1.0, 64), None);
    }
}
