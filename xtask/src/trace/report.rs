//! The report: three charts as one SVG, alone or in a page.

use super::{Outcome, mean_ms};
use std::fmt::Write;
use vellum_block::{Cdf, Phase};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const COLOURS: [&str; 11] = [
    "#8c8c8c", "#4c72b0", "#dd8452", "#937860", "#55a868", "#da8bc3", "#c44e52", "#64b5cd",
    "#8172b3", "#000000", "#ccb974",
];

/// The charts.
pub fn svg(o: &Outcome, responses: &Cdf) -> String {
    let mut s = String::new();
    let (w, h) = (WIDTH + 80.0, 3.0 * (HEIGHT + 70.0));
    let _ = write!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{w}\" height=\"{h}\" \
         fill=\"white\"/>\n"
    );
    panel(&mut s, 0, "Response times: part of the requests that took at most so long", |s| {
        curves(s, responses, o.measured.as_ref());
    });
    panel(
        &mut s,
        1,
        "Distance to the next request, in cylinders (a bar's height is the root of its count)",
        |s| distances(s, o),
    );
    panel(&mut s, 2, "Where the mean response went, in ms", |s| parts(s, o));
    s.push_str("</svg>\n");
    s
}

/// A page around the charts.
pub fn html(name: &str, svg: &str) -> String {
    let name = name.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n<h1>{name}</h1>\n{svg}"
    )
}

fn panel(s: &mut String, at: u32, title: &str, body: impl FnOnce(&mut String)) {
    let y = f64::from(at) * (HEIGHT + 70.0) + 30.0;
    let _ = write!(s, "<g transform=\"translate(50 {y})\">\n<text y=\"-10\">{title}</text>\n");
    let _ =
        writeln!(s, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#888\"/>");
    body(s);
    s.push_str("</g>\n");
}

fn curves(s: &mut String, ours: &Cdf, real: Option<&Cdf>) {
    percents(s);
    // Up to the 99.5th percentile, so that a few stragglers do not squeeze the rest.
    let most = ours.percentile(995, 1000).as_ms_f64().max(1e-6);
    let mut line = |cdf: &Cdf, colour: &str| {
        let points: String = (0..=200u64)
            .map(|i| {
                let x = (cdf.percentile(i.max(1), 200).as_ms_f64() / most).min(1.0) * WIDTH;
                format!("{x:.1},{:.1} ", HEIGHT * (1.0 - i as f64 / 200.0))
            })
            .collect();
        let _ = writeln!(s, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{points}\"/>");
    };
    if let Some(real) = real {
        line(real, "#c44e52");
    }
    line(ours, "#4c72b0");
    axis(s, most, "ms");
    if real.is_some() {
        let _ = writeln!(s, "<text x=\"12\" y=\"20\" fill=\"#4c72b0\">model</text>");
        let _ = writeln!(s, "<text x=\"10\" y=\"36\" fill=\"#c44e52\">measured</text>");
    }
}

/// Ticks below the panel, at round numbers from 0 to `most`.
fn axis(s: &mut String, most: f64, unit: &str) {
    let step = round_step(most / 5.0);
    for i in 0..=(most / step) as u32 {
        let value = f64::from(i) * step;
        let (x, y) = (value / most * WIDTH, HEIGHT + 16.0);
        // Rounded to the step's digits, so that no 0.30000000000000004 appears.
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let _ = writeln!(
            s,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEIGHT}\" y2=\"{:.0}\" stroke=\"#888\"/>\
             <text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{value:.digits$} {unit}</text>",
            HEIGHT + 4.0
        );
    }
}

/// 1, 2 or 5 times a power of ten, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-12).log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|t| t * power >= least * 0.999);
    times.unwrap_or(10.0) * power
}

/// Percentages to the left of the panel, with a line each.
fn percents(s: &mut String) {
    for percent in [0, 25, 50, 75, 100] {
        let y = HEIGHT * (1.0 - f64::from(percent) / 100.0);
        let _ = writeln!(
            s,
            "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>\
             <text x=\"-6\" y=\"{:.0}\" text-anchor=\"end\">{percent} %</text>",
            y + 4.0
        );
    }
}

fn distances(s: &mut String, o: &Outcome) {
    const BARS: usize = 40;
    let most = o.distances.iter().copied().max().unwrap_or(0).max(1);
    let mut counts = [0usize; BARS];
    for &d in &o.distances {
        counts[(d as usize * (BARS - 1)) / most as usize] += 1;
    }
    // Roots, because nearly all requests are near.
    let top = counts.iter().map(|&c| (c as f64).sqrt()).fold(1.0, f64::max);
    let width = WIDTH / BARS as f64;
    for (i, &c) in counts.iter().enumerate() {
        let h = (c as f64).sqrt() / top * HEIGHT;
        let _ = writeln!(
            s,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{h:.1}\" \
             fill=\"#4c72b0\"><title>{c}</title></rect>",
            i as f64 * width,
            HEIGHT - h,
            width - 1.0
        );
    }
    axis(s, most.into(), "");
}

fn parts(s: &mut String, o: &Outcome) {
    let all: f64 = Phase::ALL.iter().map(|&p| mean_ms(o, p)).sum();
    let mut x = 0.0;
    for (i, (phase, colour)) in Phase::ALL.into_iter().zip(COLOURS).enumerate() {
        let mean = mean_ms(o, phase);
        let width = mean / all.max(1e-12) * WIDTH;
        let _ = writeln!(
            s,
            "<rect x=\"{x:.1}\" y=\"20\" width=\"{width:.1}\" height=\"60\" fill=\"{colour}\"/>"
        );
        let (cx, cy) = (10.0 + (i % 3) as f64 * 210.0, 110.0 + (i / 3) as f64 * 26.0);
        let _ = writeln!(
            s,
            "<rect x=\"{cx}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text \
             x=\"{}\" y=\"{cy}\">{}: {mean:.4}</text>",
            cy - 11.0,
            cx + 18.0,
            phase.name()
        );
        x += width;
    }
}
