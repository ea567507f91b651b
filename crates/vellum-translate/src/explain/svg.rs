//! An explanation as a drawing: the address in coloured fields, below it a row for each level in its
//! field's colour, and in each column the entries as cards, with arrows from table to table.

use super::picture::{Explanation, Step, Verdict};
use super::text::broken_at;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

const MARGIN: u32 = 24;
const LABEL: u32 = 130;
const CARD: u32 = 320;
const GAP: u32 = 44;
const LINE: u32 = 16;
const PADDING: u32 = 8;
/// Between two cards of one cell, and between two rows.
const BETWEEN: u32 = 12;
const ROWS_APART: u32 = 28;
/// Characters that fit a card, and the label beside it.
const CARD_CHARACTERS: usize = 46;
/// One for each level from the lowest, the page's first; the last for what is above all levels.
const COLOURS: [&str; 6] = ["#5b8c5a", "#3f7cac", "#8e5ea2", "#c46a2b", "#b23a48", "#6b705c"];
const GREY: &str = "#9aa0a6";

/// A card's place and size.
#[derive(Clone, Copy)]
struct Card {
    y: u32,
    height: u32,
    verdict: Verdict,
}

impl Explanation {
    /// The drawing, as one SVG element with nothing from outside.
    pub fn svg(&self) -> String {
        let mut body = String::new();
        let columns = self.columns.len() as u32;
        let width = (2 * MARGIN + LABEL + columns * (CARD + GAP)).max(2 * MARGIN + 760);
        let mut y = MARGIN + 18;
        text(&mut body, MARGIN, y, "font-size=\"18\" font-weight=\"bold\"", &self.title);
        y += 22;
        y = self.draw_fields(&mut body, y, width - 2 * MARGIN);
        y += 30;
        let heads: Vec<Vec<String>> =
            self.columns.iter().map(|column| broken_at(&column.about, CARD_CHARACTERS)).collect();
        for (at, column) in self.columns.iter().enumerate() {
            let x = column_x(at);
            text(&mut body, x, y, "font-size=\"15\" font-weight=\"bold\"", &column.name);
            for (line, about) in (1..).zip(&heads[at]) {
                text(&mut body, x, y + line * LINE, "fill=\"#555\"", about);
            }
        }
        y += LINE * (1 + heads.iter().map(Vec::len).max().unwrap_or(0) as u32);
        let mut before: Vec<Option<Card>> = Vec::new();
        before.resize(self.columns.len(), None);
        let mut arrows = String::new();
        for row in self.shown() {
            y = self.draw_row(&mut body, &mut arrows, &mut before, row, y) + ROWS_APART;
        }
        let colour = if self.refused { "#b23a48" } else { "#2e6b34" };
        let outcome = broken_at(&self.outcome, (width / 8) as usize);
        for line in &outcome {
            let style = format!("font-size=\"15\" font-weight=\"bold\" fill=\"{colour}\"");
            text(&mut body, MARGIN, y + 6, &style, line);
            y += 20;
        }
        for note in &self.notes {
            text(&mut body, MARGIN, y + 6, "fill=\"#555\"", note);
            y += LINE;
        }
        let height = y + MARGIN;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <title>{}</title>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
             markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" \
             fill=\"#444\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" \
             fill=\"white\"/>\n{body}{arrows}</svg>\n",
            escaped(&self.title)
        )
    }

    /// The address as a bar: as wide for each field as its name and value want.
    fn draw_fields(&self, body: &mut String, y: u32, width: u32) -> u32 {
        let bits = |field: &super::Field| field.high - field.low + 1;
        // Every field can be read; what is left is shared out by bits.
        let least = 84;
        let count = self.fields.len() as u32;
        let rest = width.saturating_sub(least * count);
        let mut x = MARGIN;
        for field in &self.fields {
            let wide = least + rest * bits(field) / 64;
            let colour = field.row.map_or(COLOURS[5], |row| self.colour(row));
            let _ = writeln!(
                body,
                "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"40\" rx=\"3\" fill=\"{colour}\"/>",
                y + 14,
                wide - 3
            );
            let end = x + wide - 3;
            text(body, x, y + 10, "fill=\"#777\" font-size=\"10\"", &format!("{}", field.high));
            let low = "fill=\"#777\" font-size=\"10\" text-anchor=\"end\"";
            text(body, end, y + 10, low, &format!("{}", field.low));
            let middle = "fill=\"white\" text-anchor=\"middle\"";
            let centre = x + wide / 2 - 1;
            text(body, centre, y + 31, middle, &field.name);
            let value = format!("{middle} font-family=\"monospace\"");
            text(body, centre, y + 47, &value, &format!("{:#x}", field.value));
            x += wide;
        }
        y + 54
    }

    /// One row; where it ends.
    fn draw_row(
        &self,
        body: &mut String,
        arrows: &mut String,
        before: &mut [Option<Card>],
        row: usize,
        y: u32,
    ) -> u32 {
        let colour = self.colour(row);
        let mut bottom = y + 44;
        for (at, column) in self.columns.iter().enumerate() {
            let x = column_x(at);
            let mut top = y;
            for step in &column.cells[row] {
                let card = draw_card(body, step, x, top);
                if let Some(from) = before[at].filter(|from| from.verdict != Verdict::Refuses) {
                    let start = from.y + from.height;
                    let middle = x + CARD / 2;
                    let _ = writeln!(
                        arrows,
                        "<path d=\"M{middle} {start}V{}\" stroke=\"#444\" stroke-width=\"1.5\" \
                         marker-end=\"url(#tip)\"/>",
                        card.y - 1
                    );
                }
                before[at] = Some(card);
                top += card.height + BETWEEN;
            }
            if top > y {
                bottom = bottom.max(top - BETWEEN);
            }
        }
        // What lies beside each other in a row is about one page of the guest.
        for at in 1..self.columns.len() {
            let pair = [at - 1, at].map(|at| self.columns[at].cells[row].first());
            if let [Some(_), Some(_)] = pair {
                let (from, to) = (column_x(at - 1) + CARD, column_x(at));
                let _ = writeln!(
                    arrows,
                    "<path d=\"M{from} {0}H{to}\" stroke=\"{colour}\" stroke-dasharray=\"4 4\"/>",
                    y + 22
                );
            }
        }
        let label = &self.rows[row];
        let _ = writeln!(
            body,
            "<rect x=\"{MARGIN}\" y=\"{y}\" width=\"{}\" height=\"44\" rx=\"3\" \
             fill=\"{colour}\"/>",
            LABEL - 16
        );
        let white = "fill=\"white\" font-weight=\"bold\"";
        text(body, MARGIN + 8, y + 19, white, &label.name);
        let small = "fill=\"white\" font-size=\"11\"";
        text(body, MARGIN + 8, y + 35, small, &label.field);
        bottom
    }

    /// A row's colour: by level, so that the lowest has the same in every format.
    fn colour(&self, row: usize) -> &'static str {
        COLOURS[(self.rows.len() - 1 - row).min(COLOURS.len() - 1)]
    }
}

const fn column_x(at: usize) -> u32 {
    MARGIN + LABEL + at as u32 * (CARD + GAP)
}

fn draw_card(body: &mut String, step: &Step, x: u32, y: u32) -> Card {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let push = |lines: &mut Vec<_>, style, text: &str| {
        lines.extend(broken_at(text, CARD_CHARACTERS).into_iter().map(|line| (style, line)));
    };
    if !step.place.is_empty() {
        push(&mut lines, "fill=\"#555\"", &step.place);
    }
    let mono = "font-family=\"monospace\" font-size=\"13\"";
    match step.entry {
        Some(entry) => push(&mut lines, mono, &format!("{entry:#018x}  {}", step.flags)),
        None if !step.flags.is_empty() => push(&mut lines, mono, &step.flags),
        None => {}
    }
    push(&mut lines, "font-weight=\"bold\"", &step.says);
    let (edge, fill) = match step.verdict {
        Verdict::Leads => ("#3f7cac", "#eef5fa"),
        Verdict::Ends => ("#2e6b34", "#eef7ef"),
        Verdict::Refuses => ("#b23a48", "#fbeeef"),
        Verdict::Nothing => (GREY, "#f6f6f6"),
    };
    let height = lines.len() as u32 * LINE + 2 * PADDING;
    let _ = writeln!(
        body,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{CARD}\" height=\"{height}\" rx=\"4\" fill=\"{fill}\" \
         stroke=\"{edge}\"/><rect x=\"{x}\" y=\"{y}\" width=\"5\" height=\"{height}\" \
         fill=\"{edge}\"/>"
    );
    for (line, (style, content)) in (0..).zip(&lines) {
        text(body, x + 14, y + PADDING + 12 + line * LINE, style, content);
    }
    Card { y, height, verdict: step.verdict }
}

fn text(body: &mut String, x: u32, y: u32, style: &str, content: &str) {
    let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" {style}>{}</text>", escaped(content));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
