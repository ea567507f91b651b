//! The plot: misses by policy and size as marks, the miss-ratio curve under LRU as a line; both axes
//! in logarithms, since that is where traces differ.

use super::Outcome;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const COLOURS: [&str; 12] = [
    "#c44e52", "#4c72b0", "#dd8452", "#55a868", "#8172b3", "#937860", "#da8bc3", "#64b5cd",
    "#ccb974", "#8c8c8c", "#000000", "#7a0177",
];

/// The curve at sizes from 1 % of the footprint up, as pages and ratio.
pub fn points(outcome: &Outcome) -> Vec<(u64, f64)> {
    let footprint = f64::from(outcome.trace.pages());
    let steps = (0..=60).map(|step| footprint.powf(0.3 + 0.7 * f64::from(step) / 60.0) as u64);
    let mut points: Vec<(u64, f64)> =
        steps.map(|pages| (pages.max(1), outcome.curve.miss_ratio(pages.max(1)))).collect();
    points.dedup();
    points
}

/// The plot as SVG.
pub fn svg(outcome: &Outcome) -> String {
    let points = points(outcome);
    let all = outcome.scores.iter().flatten().map(|(score, _)| score.miss_ratio());
    let ratios = || all.clone().chain(points.iter().map(|&(_, ratio)| ratio)).filter(|&r| r > 0.0);
    let (low, high) = (ratios().fold(1.0, f64::min), ratios().fold(1e-9, f64::max));
    let most = f64::from(outcome.trace.pages()).max(2.0);
    let least = points.first().map_or(1.0, |&(pages, _)| pages as f64);
    let x = |pages: f64| (pages.max(least) / least).ln() / (most / least).ln() * WIDTH;
    let y = |ratio: f64| (high / ratio.max(low)).ln() / (high / low).max(1.01).ln() * HEIGHT;

    let mut s = String::new();
    let (w, h) = (WIDTH + 240.0, HEIGHT + 110.0);
    let title = outcome.name.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{w}\" height=\"{h}\" \
         fill=\"white\"/>\n<text x=\"70\" y=\"24\" font-size=\"14\">Misses by pages of memory: \
         {title}</text>\n<g transform=\"translate(70 40)\">\n<rect width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" fill=\"none\" stroke=\"#888\"/>\n"
    );
    for step in 0..=4 {
        let at = f64::from(step) / 4.0;
        let (pages, ratio) = (least * (most / least).powf(at), high / (high / low).powf(at));
        let _ = writeln!(
            s,
            "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"middle\">{pages:.0}</text>\n\
             <text x=\"-8\" y=\"{:.0}\" text-anchor=\"end\">{:.3} %</text>",
            at * WIDTH,
            HEIGHT + 18.0,
            at * HEIGHT + 4.0,
            ratio * 100.0
        );
    }
    let _ = writeln!(
        s,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">pages of memory</text>",
        WIDTH / 2.0,
        HEIGHT + 40.0
    );
    let line: String = points
        .iter()
        .map(|&(pages, ratio)| format!("{:.1},{:.1} ", x(pages as f64), y(ratio)))
        .collect();
    let _ = writeln!(s, "<polyline fill=\"none\" stroke=\"#bbb\" points=\"{line}\"/>");
    for (at, (name, row)) in outcome.policies.iter().zip(&outcome.scores).enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let marks: Vec<(f64, f64)> = outcome
            .sizes
            .iter()
            .zip(row)
            .map(|(&size, (score, _))| (x(size.into()), y(score.miss_ratio())))
            .collect();
        let line: String = marks.iter().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        let _ = writeln!(s, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{line}\"/>");
        for (x, y) in marks {
            let _ = writeln!(s, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let ly = 12.0 + at as f64 * 20.0;
        let lx = WIDTH + 16.0;
        let _ = writeln!(
            s,
            "<circle cx=\"{lx}\" cy=\"{ly}\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            lx + 12.0,
            ly + 4.0
        );
    }
    s.push_str("</g>\n</svg>\n");
    s
}
