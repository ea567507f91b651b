//! The plot: transactions lost against the interval, and what checkpoints cost, on logarithmic axes.

use super::Row;
use std::fmt::Write;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;

/// Where a value stands on an axis from 0.1 (or 1) upwards, as a part of it.
fn log(value: f64, least: f64, most: f64) -> f64 {
    ((value.max(least) / least).ln() / (most / least).ln().max(1e-9)).clamp(0.0, 1.0)
}

/// The two panels, side by side.
pub fn svg(rows: &[Row], crashes: u64) -> String {
    let mut s = String::new();
    let (w, h) = (2.0 * (WIDTH + 90.0), HEIGHT + 110.0);
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{w}\" height=\"{h}\" \
         fill=\"white\"/>\n"
    );
    let lost: [Line; 2] = [
        ("without the log", "#c44e52", |row: &Row| row.lost_without),
        ("with the log", "#4c72b0", |row: &Row| row.lost_with),
    ];
    let title = format!("Transactions lost by a crash (mean of {crashes})");
    panel(&mut s, 0.0, &title, rows, 0.1, &lost);
    let cost: [Line; 1] = [("checkpoints", "#55a868", |row: &Row| row.bytes_a_transaction)];
    panel(&mut s, WIDTH + 90.0, "Bytes of checkpoints a transaction", rows, 1.0, &cost);
    s.push_str("</svg>\n");
    s
}

type Line = (&'static str, &'static str, fn(&Row) -> f64);

fn panel(s: &mut String, left: f64, title: &str, rows: &[Row], least: f64, lines: &[Line]) {
    let last = rows.iter().map(|row| row.interval as f64).fold(1.0, f64::max);
    let values = rows.iter().flat_map(|row| lines.iter().map(|line| line.2(row)));
    let most = values.fold(least * 10.0, f64::max);
    let most = 10_f64.powf(most.log10().ceil());
    let _ = write!(
        s,
        "<g transform=\"translate({} 40)\">\n<text y=\"-12\">{title}</text>\n",
        left + 70.0
    );
    let _ =
        writeln!(s, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#888\"/>");
    let x = |row: &Row| log(row.interval as f64, 1.0, last) * WIDTH;
    for row in rows {
        let y = HEIGHT + 18.0;
        let _ = writeln!(
            s,
            "<text x=\"{:.0}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            x(row),
            row.interval
        );
    }
    let _ = writeln!(
        s,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">transactions between checkpoints</text>",
        WIDTH / 2.0,
        HEIGHT + 40.0
    );
    let mut tick = least;
    while tick <= most * 1.0001 {
        let y = HEIGHT * (1.0 - log(tick, least, most));
        let label =
            if tick <= least && least < 1.0 { "none".to_owned() } else { format!("{tick}") };
        let _ = writeln!(s, "<line x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>");
        let _ =
            writeln!(s, "<text x=\"-8\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", y + 4.0);
        tick *= 10.0;
    }
    for (number, (name, colour, value)) in lines.iter().enumerate() {
        let y = |row: &Row| HEIGHT * (1.0 - log(value(row), least, most));
        let points: String =
            rows.iter().map(|row| format!("{:.1},{:.1} ", x(row), y(row))).collect();
        let _ = writeln!(
            s,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{points}\"/>"
        );
        for row in rows {
            let _ = writeln!(
                s,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{colour}\"><title>{}: {:.2}</title></circle>",
                x(row),
                y(row),
                row.interval,
                value(row)
            );
        }
        let _ = writeln!(
            s,
            "<text x=\"12\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            20 + number * 18
        );
    }
    s.push_str("</g>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_point_for_each_value_and_closes_what_it_opens() {
        let row = |interval, lost| Row {
            interval,
            lost_without: lost,
            lost_with: 0.0,
            bytes_a_transaction: 100.0 / interval as f64,
        };
        let text = svg(&[row(1, 0.0), row(16, 9.5), row(1024, 600.0)], 20);
        assert_eq!(text.matches("<circle").count(), 9);
        assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());
        assert!(text.ends_with("</svg>\n") && !text.contains("NaN") && !text.contains("inf"));
    }
}
