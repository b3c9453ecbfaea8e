//! Server-made SVG figures: no script, no outside resource, colours from the page's style sheet.
//! Every label is escaped, every axis is linear or says that it is not, and nothing is told by colour alone.

mod forest;
mod latency;
mod scores;

pub(super) use forest::{Layout, forest};
pub(super) use latency::{latency, quantile, sorted};
pub(super) use scores::scores;

/// An SVG being written.
struct Svg {
    out: String,
}

impl Svg {
    /// Opens a figure whose title and description are read aloud in place of the drawing.
    fn open(size: (f64, f64), title: &str, description: &str) -> Self {
        let (width, height) = (fixed(size.0), fixed(size.1));
        let mut svg = Self { out: String::new() };
        svg.out.push_str(&format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">"
        ));
        svg.out.push_str(&format!("<title>{}</title><desc>{}</desc>", escaped(title), escaped(description)));
        svg
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(fixed);
        self.out.push_str(&format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64)) {
        let [x, y, width, height] = [at.0, at.1, size.0.max(0.0), size.1.max(0.0)].map(fixed);
        self.out
            .push_str(&format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"));
    }

    fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let commands: Vec<String> = points.iter().map(|(x, y)| format!("{} {}", fixed(*x), fixed(*y))).collect();
        self.out.push_str(&format!("<path class=\"{class}\" d=\"M{}\"/>", commands.join("L")));
    }

    fn circle(&mut self, class: &str, centre: (f64, f64), radius: f64) {
        let [x, y, radius] = [centre.0, centre.1, radius].map(fixed);
        self.out.push_str(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }

    /// Writes a label; `class` may carry the anchor (`end`, `middle`).
    fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        let [x, y] = [at.0, at.1].map(fixed);
        self.out.push_str(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text)));
    }

    fn close(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// A linear axis from data to pixels.
#[derive(Clone, Copy)]
struct Scale {
    data: (f64, f64),
    pixels: (f64, f64),
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let share = (value - self.data.0) / (self.data.1 - self.data.0).max(f64::MIN_POSITIVE);
        self.pixels.0 + share.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }
}

/// Returns round numbers within `lo..=hi`, about `wanted` of them, at steps of 1, 2 or 5 times a power of ten.
fn ticks(lo: f64, hi: f64, wanted: f64) -> Vec<f64> {
    let raw = ((hi - lo) / wanted).max(1e-9);
    let power = 10_f64.powf(raw.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| power * times >= raw).unwrap_or(10.0);
    let (first, last) = ((lo / step).ceil() as i64, (hi / step).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
}

/// Cuts a label to what fits, with an ellipsis.
fn clipped(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    text.chars().take(letters_max.saturating_sub(1)).chain(['…']).collect()
}

fn fixed(value: f64) -> String {
    let rounded = format!("{value:.1}");
    rounded.strip_suffix(".0").map_or(rounded.clone(), ToOwned::to_owned)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(-0.13, 0.06, 5.0), [-0.1, -0.05, 0.0, 0.05]);
        assert_eq!(ticks(0.0, 1.0, 5.0).len(), 6);
        assert_eq!(ticks(0.0, 0.0, 5.0), [0.0]);
    }

    #[test]
    fn labels_are_escaped_and_clipped() {
        let mut svg = Svg::open((10.0, 10.0), "<t>", "\"d\"");
        svg.text("end", (1.0, 2.04), "a<b&'c'\u{1b}");
        let out = svg.close();
        assert!(out.contains("<title>&lt;t&gt;</title><desc>&quot;d&quot;</desc>"), "{out}");
        assert!(out.contains(r#"<text class="end" x="1" y="2">a&lt;b&amp;&#39;c&#39; </text>"#), "{out}");
        assert_eq!((clipped("abcdef", 4), clipped("abc", 4)), ("abc…".to_owned(), "abc".to_owned()));
    }
}
