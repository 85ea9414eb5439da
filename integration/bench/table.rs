//! Figures of several variants, side by side: medians, spread, and the ratio to one of them.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde_json::{Value, json};

/// What the figures of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Mebibytes,
    Count,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Count => "count",
        }
    }
}

/// One measurement of several variants.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    title: String,
    unit: Unit,
    rows: Vec<Row>,
    /// The row that the others are compared with.
    base: Option<usize>,
}

#[derive(Debug, Clone)]
struct Row {
    variant: String,
    /// In the order in which they were measured.
    figures: Vec<f64>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, unit: Unit) -> Self {
        Self {
            title: title.into(),
            unit,
            rows: Vec::new(),
            base: None,
        }
    }

    /// Adds a figure to a variant's row, which is made with the first.
    pub(crate) fn add(&mut self, variant: &str, figure: f64) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.variant == variant) {
            row.figures.push(figure);
            return;
        }
        self.rows.push(Row {
            variant: variant.to_owned(),
            figures: vec![figure],
        });
    }

    pub(crate) fn add_time(&mut self, variant: &str, time: Duration) {
        self.add(variant, time.as_secs_f64() * 1000.0);
    }

    /// Compares all with this variant, where it was measured.
    pub(crate) fn against(mut self, variant: &str) -> Self {
        self.base = self.rows.iter().position(|row| row.variant == variant);
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        let base = self.base.map(|base| self.rows[base].quantile(0.5));
        let row = |row: &Row| {
            json!({
                "variant": row.variant,
                "median": row.quantile(0.5),
                "p25": row.quantile(0.25),
                "p75": row.quantile(0.75),
                "min": row.quantile(0.0),
                "max": row.quantile(1.0),
                "ratio": base.map(|base| row.quantile(0.5) / base),
                "figures": row.figures,
            })
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "title": self.title, "unit": self.unit.name(), "rows": rows })
    }
}

impl Row {
    /// By linear interpolation between the two nearest figures.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a table has a few dozen figures"
    )]
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        let place = part * (sorted.len() - 1) as f64;
        let (low, high) = (
            sorted[place.floor() as usize],
            sorted[place.ceil() as usize],
        );
        low + (high - low) * place.fract()
    }
}

/// As Markdown.
impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = self.unit.name();
        writeln!(f, "**{}** ({unit})\n", self.title)?;
        writeln!(f, "| variant | median | p25–p75 | min | runs | ratio |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        let base = self.base.map(|base| self.rows[base].quantile(0.5));
        for row in &self.rows {
            let [min, low, median, high] = [0.0, 0.25, 0.5, 0.75].map(|part| row.quantile(part));
            let ratio = base.map_or(String::new(), |base| format!("{:.2}", median / base));
            let runs = row.figures.len();
            writeln!(
                f,
                "| {} | {median:.1} | {low:.1}–{high:.1} | {min:.1} | {runs} | {ratio} |",
                row.variant
            )?;
        }
        Ok(())
    }
}
