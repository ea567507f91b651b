//! Where the bytes are after each pass, as a stack of areas.

use std::fmt::Write;
use vellum::scavenger::Report;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const COLOURS: [&str; 4] = ["#4878a8", "#e49444", "#d1b26f", "#85796b"];

pub fn svg(passes: &[Report], pages: u64) -> String {
    let most = (pages * 4096) as f64;
    let x = |at: usize| LEFT + WIDTH * at as f64 / (passes.len() - 1).max(1) as f64;
    let y = |bytes: f64| TOP + HEIGHT * (1.0 - bytes / most);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">Bytes of {:.1} MB of memory after each pass</text>\n",
        LEFT + WIDTH + 30.0,
        TOP + HEIGHT + 80.0,
        most / 1e6
    );
    let mut below = vec![0.0; passes.len()];
    for (place, colour) in COLOURS.into_iter().enumerate() {
        let above: Vec<f64> = passes
            .iter()
            .zip(&below)
            .map(|(report, below)| below + super::places(report)[place].1 as f64)
            .collect();
        let point = |(at, bytes): (usize, &f64)| format!("{:.1},{:.1}", x(at), y(*bytes));
        let edge: Vec<String> = above.iter().enumerate().map(point).collect();
        let back: Vec<String> = below.iter().enumerate().rev().map(point).collect();
        let name = super::places(&passes[0])[place].0;
        let _ = writeln!(
            out,
            "<polygon points=\"{} {}\" fill=\"{colour}\"/>\n<rect x=\"{:.0}\" y=\"{:.0}\" width=\"12\" \
             height=\"12\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{:.0}\">{name}</text>",
            edge.join(" "),
            back.join(" "),
            LEFT + 160.0 * place as f64,
            TOP + HEIGHT + 40.0,
            LEFT + 160.0 * place as f64 + 18.0,
            TOP + HEIGHT + 51.0,
        );
        below = above;
    }
    for tenth in (0..=10).step_by(2) {
        let bytes = most * f64::from(tenth) / 10.0;
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} MB</text>",
            LEFT - 6.0,
            y(bytes) + 4.0,
            bytes / 1e6
        );
    }
    for (at, _) in passes.iter().enumerate() {
        let (x, y) = (x(at), TOP + HEIGHT + 18.0);
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.0}\" text-anchor=\"middle\">{at}</text>");
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_every_place_and_every_pass() {
        let text = svg(&[Report::default(), Report::default()], 100);
        assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
        for name in ["frames", "packed records", "bookkeeping", ">0</text>", ">1</text>"] {
            assert!(text.contains(name), "{name}");
        }
    }
}
